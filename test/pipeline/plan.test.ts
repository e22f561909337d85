/** What a right pipeline means: variables, references, matrices, order, placement, options. */
import { describe, expect, test } from 'vitest';
import { stageKinds } from '../../src/stages/index.ts';
import { actionOf, describeFailures, goodPlan, planText } from '../support/plan-text.ts';

const pipeline = (stages: string, head = ''): string => `bake: 1\nname: test\n${head}stages:\n${stages}`;
const commandOf = (text: string, settings = {}) => actionOf(goodPlan(text, settings), 'a').options['command'];

describe('expressions', () => {
  test('are evaluated inside parsed scalars, so that a value cannot become YAML', () => {
    const text = pipeline('  a: { run: "echo ${{ vars.v }}" }\n', 'vars: { v: "x: [y" }\n');
    expect(commandOf(text)).toBe('echo x: [y');
  });

  test('keep numbers as they were written when they are part of a text', () => {
    expect(commandOf(pipeline('  a: { run: "echo ${{ vars.v }}" }\n', 'vars: { v: 1.0 }\n'))).toBe(
      'echo 1.0',
    );
  });

  test('are not evaluated after `$${{`, in values from outside, or twice', () => {
    expect(commandOf(pipeline("  a: { run: 'echo $${{ vars.v }}' }\n"))).toBe('echo ${{ vars.v }}');
    const text = pipeline('  a: { run: "echo ${{ vars.v }}" }\n', 'vars: { v: "" }\n');
    expect(commandOf(text, { vars: { v: '${{ stages.a }}' } })).toBe('echo ${{ stages.a }}');
  });

  test('make a template of a text with outputs in it, and leave neighbouring texts joined', () => {
    const text = pipeline(
      '  b: { run: make, outputs: { o: out } }\n  a: { run: "cat ${{ vars.v }} ${{ stages.b.outputs.o }} ${{ vars.v }}!" }\n',
      'vars: { v: x }\n',
    );
    expect(commandOf(text)).toEqual({ $text: ['cat x ', { action: 'b', output: 'o' }, ' x!'] });
  });

  test('keep the type of a value that stands alone', () => {
    const text = pipeline(
      '  a: { run: make, retries: "${{ vars.n }}", inputs: "${{ vars.l }}", place: "${{ vars.t }}" }\n',
      'vars: { n: 3, l: [x, y], t: true }\n',
    );
    expect(actionOf(goodPlan(text), 'a')).toMatchObject({ retries: 3, inputs: ['x', 'y'], placed: true });
  });

  test('read the environment of the stage over that of the pipeline', () => {
    const text = pipeline(
      '  a: { run: "${{ env.A }} ${{ env.B }}", env: { B: stage } }\n',
      'env: { A: all, B: all }\n',
    );
    expect(commandOf(text)).toBe('all stage');
    expect(actionOf(goodPlan(text), 'a').env).toEqual({ A: ['all'], B: ['stage'] });
  });
});

describe('variables', () => {
  const text = pipeline(
    '  a: { run: "${{ vars.s }} ${{ vars.n }} ${{ vars.d }}" }\n',
    'vars: { s: file, n: 1, d: "${{ vars.s }}-x" }\n',
  );

  test('are overridden by environment, then files, then flags, and derived ones follow', () => {
    const env = { BAKE_VAR_s: 'env' };
    const varFiles = [{ path: 'v.yaml', text: 's: varfile\nn: 2\n' }];
    expect(commandOf(text)).toBe('file 1 file-x');
    expect(commandOf(text, { env })).toBe('env 1 env-x');
    expect(commandOf(text, { env, varFiles })).toBe('varfile 2 varfile-x');
    expect(commandOf(text, { env, varFiles, vars: { s: 'flag' } })).toBe('flag 2 flag-x');
  });

  test('from outside must be declared and of the declared type; the file is named', () => {
    const failures = (settings: object) => {
      const planned = planText(text, settings);
      return planned.ok ? [] : describeFailures(planned.failure);
    };
    expect(failures({ vars: { nn: '1' } })).toEqual(['undeclared-variable → n']);
    expect(failures({ vars: { n: 'many' } })).toEqual(['bad-variable-value']);
    const varFiles = [{ path: 'v.yaml', text: 'x: 1\ns: 1.0\n' }];
    expect(failures({ varFiles })).toEqual(['undeclared-variable 1:1', 'quote-text 2:4']);
  });

  test('that no stage uses are warned about and influence no stage', () => {
    const unused = pipeline('  a: { run: make }\n', 'vars: { v: x }\n');
    expect(goodPlan(unused).warnings).toMatchObject([{ code: 'unused-variable', name: 'v' }]);
    expect(goodPlan(unused, { vars: { v: 'y' } }).actions).toEqual(goodPlan(unused).actions);
  });

  test('that could come from the environment are remembered, so that a compiled plan can be trusted', () => {
    expect(goodPlan(text, { env: { BAKE_VAR_s: 'env' } }).read.variables).toEqual({
      BAKE_VAR_s: 'env',
      BAKE_VAR_n: null,
      BAKE_VAR_d: null,
    });
  });
});

describe('a matrix', () => {
  const text = pipeline(
    [
      '  test:',
      '    matrix: { os: [debian, alpine], arch: [amd64, arm64] }',
      '    run: "qemu ${{ stages.build.outputs.disk }}"',
      '  build:',
      '    matrix: { arch: [amd64, arm64] }',
      '    run: make ${{ matrix.arch }}',
      '    outputs: { disk: "disk.img" }',
      '  one:',
      '    run: "cat ${{ stages.build[arch=arm64].outputs.disk }}"',
      '    needs: [test]',
      '',
    ].join('\n'),
  );

  test('gives every combination a cell whose name does not depend on the order of keys', () => {
    expect(goodPlan(text).actions.map((action) => action.name)).toEqual([
      'build[arch=amd64]',
      'test[arch=amd64,os=debian]',
      'build[arch=arm64]',
      'test[arch=arm64,os=debian]',
      'test[arch=amd64,os=alpine]',
      'test[arch=arm64,os=alpine]',
      'one',
    ]);
  });

  test('refers to the cell with the same values, or to one that is named; needs means all cells', () => {
    const plan = goodPlan(text);
    expect(actionOf(plan, 'test[arch=arm64,os=alpine]').needs).toEqual(['build[arch=arm64]']);
    expect(actionOf(plan, 'one').needs).toEqual([
      'build[arch=arm64]',
      'test[arch=amd64,os=alpine]',
      'test[arch=amd64,os=debian]',
      'test[arch=arm64,os=alpine]',
      'test[arch=arm64,os=debian]',
    ]);
  });

  test('may list its cells', () => {
    const listed = pipeline('  a: { run: make, matrix: [{ v: 1.0, os: x }, { os: y, v: 2 }] }\n');
    expect(goodPlan(listed).actions.map((action) => action.name)).toEqual(['a[os=x,v=1.0]', 'a[os=y,v=2]']);
  });
});

describe('a plan', () => {
  test('puts every action after what it needs, and keeps the order of the file otherwise', () => {
    const text = pipeline('  c: { run: x, needs: [a] }\n  b: { run: x }\n  a: { run: x }\n');
    expect(goodPlan(text).actions.map((action) => action.name)).toEqual(['a', 'c', 'b']);
  });

  test('places the outputs of leaves, and of those that say so', () => {
    const text = pipeline(
      '  a: { run: x, outputs: { o: a } }\n  b: { run: x, outputs: { o: b }, place: true }\n  c: { run: "x ${{ stages.a.outputs.o }} ${{ stages.b.outputs.o }}", outputs: { o: c } }\n  d: { run: x, place: false, outputs: { o: d } }\n',
    );
    const placed = goodPlan(text).actions.filter((action) => action.placed);
    expect(placed.map((action) => action.name)).toEqual(['b', 'c']);
  });

  test('reads every field of a stage', () => {
    const text = pipeline(
      [
        '  a:',
        '    description: builds',
        '    run: [make, all]',
        '    inputs: [src, "*.c", "!*.o"]',
        '    outputs: { o: ./dist//x }',
        '    tools: make',
        '    env: { A: b }',
        '    pass_env: [TERM]',
        '    secrets: { TOKEN: { from: CI_TOKEN, version: "3" }, OTHER: {} }',
        '    timeout: 1h30m',
        '    retries: 2',
        '    resources: { cpu: 2, memory: 2GiB, kvm: true }',
        '    cache: false',
        '    tags: [nightly, slow]',
        '    workspace: in-place',
        '',
      ].join('\n'),
    );
    expect(actionOf(goodPlan(text), 'a')).toMatchObject({
      description: 'builds',
      kind: 'run',
      options: { command: ['make', 'all'] },
      inputs: ['src', '*.c', '!*.o'],
      outputs: [{ name: 'o', path: 'dist/x' }],
      tools: [{ name: 'make', versionArguments: ['--version'] }],
      env: { A: ['b'] },
      passEnv: ['TERM'],
      secrets: [
        { name: 'TOKEN', from: 'CI_TOKEN', version: '3' },
        { name: 'OTHER', from: 'OTHER', version: null },
      ],
      timeoutMs: 5_400_000,
      retries: 2,
      resources: { cpu: 2, memoryBytes: 2 ** 31, kvm: true },
      cacheable: false,
      tags: ['nightly', 'slow'],
      workspace: 'in-place',
      location: { file: 'pipeline.yaml', line: 4, column: 3, length: 1, text: '  a:' },
    });
  });

  test('turns options into what the kind declared: files, artifacts, sizes, defaults', () => {
    const text = pipeline(
      '  b: { run: x, outputs: { o: d } }\n  a: { uses: disk-convert, with: { disk: "${{ stages.b.outputs.o }}", format: raw } }\n  c: { uses: qcow2-to-vmdk, with: { disk: ./images/../d.qcow2 } }\n',
    );
    const plan = goodPlan(text);
    expect(actionOf(plan, 'a').options).toMatchObject({ disk: { $artifact: { action: 'b', output: 'o' } } });
    expect(actionOf(plan, 'c').options).toMatchObject({ disk: { $file: 'd.qcow2' } });
    expect(actionOf(plan, 'c').outputs).toHaveLength(1);
  });

  test('accepts unicode names, CRLF, a byte order mark, anchors, merges and JSON', () => {
    expect(goodPlan(pipeline('  größe_日本: { run: make }\n')).actions[0]?.name).toBe('größe_日本');
    expect(goodPlan('\uFEFFbake: 1\r\nstages:\r\n  a:\r\n    run: make\r\n').actions).toHaveLength(1);
    expect(goodPlan('{"bake": 1, "stages": {"a": {"run": "make"}}}').actions).toHaveLength(1);
    const merged =
      'bake: 1\nx-base: &base { timeout: 5m, tags: [x] }\nstages:\n  a: { <<: *base, run: make, tags: [y] }\n';
    expect(goodPlan(merged).actions[0]).toMatchObject({ timeoutMs: 300_000, tags: ['y'] });
  });

  test('is named after its directory unless it says otherwise', () => {
    expect(goodPlan('bake: 1\nstages: { a: { run: x } }\n').name).toBe('project');
  });

  test.each(stageKinds().map((kind) => [kind.name, kind] as const))(
    'of the example of %s survives JSON, as it is compiled and kept',
    (_, kind) => {
      const plan = goodPlan(kind.example);
      expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
      expect(plan.actions.some((action) => action.stageKind === kind.name)).toBe(true);
    },
  );
});

test('a chain of 10,000 stages is planned without running out of stack or patience', () => {
  const stages = Array.from({ length: 10_000 }, (_, at) => {
    const before = at === 9_999 ? 'pipeline.name' : `stages.s${at + 1}.outputs.o`;
    return `  s${at}:\n    run: cc \${{ ${before} }}\n    inputs: [src/${at}.c]\n    outputs: { o: out.txt }\n`;
  });
  const plan = goodPlan(pipeline(stages.join('')));
  expect(plan.actions).toHaveLength(10_000);
  expect(plan.actions[0]?.name).toBe('s9999');
});
