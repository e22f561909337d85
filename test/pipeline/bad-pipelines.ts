/** Pipelines that are wrong, each with all failures it must give: `code line:column`, and `→ suggestion` where there is one. */

export interface BadPipeline {
  readonly title: string;
  readonly text: string;
  readonly failures: readonly string[];
}

const LONG_NAME = 'a'.repeat(101);
const MANY_VALUES = Array.from({ length: 200 }, (_, index) => index).join();

export const BAD_PIPELINES: readonly BadPipeline[] = [
  {
    title: 'a bracket that is not closed',
    text: 'bake: 1\nstages:\n  a: { run: [make\n',
    failures: ['yaml-syntax 3:17'],
  },
  {
    title: 'a quote that is not closed',
    text: 'bake: 1\nname: "x\nstages:\n  a: { run: make }\n',
    failures: ['yaml-syntax 4:18'],
  },
  {
    title: 'a tab as indentation',
    text: 'bake: 1\nstages:\n\ta:\n\t\trun: make\n',
    failures: ['yaml-syntax 3:1', 'yaml-syntax 4:1'],
  },
  {
    title: 'an expression without quotes inside braces',
    text: 'bake: 1\nvars: { v: "1" }\nstages:\n  a: { run: ${{ vars.v }} }\n',
    failures: ['yaml-syntax 4:14'],
  },
  {
    title: 'wrong indentation',
    text: 'bake: 1\nstages:\n  a:\n    run: make\n   tags: [x]\n',
    failures: ['yaml-syntax 5:1'],
  },
  {
    title: 'two values on one line',
    text: 'bake: 1\nname: a: b\nstages:\n  a: { run: make }\n',
    failures: ['yaml-syntax 2:7'],
  },
  {
    title: 'a second document',
    text: 'bake: 1\nstages:\n  a: { run: make }\n---\nbake: 1\n',
    failures: ['yaml-syntax 4:1'],
  },
  {
    title: 'a key without a value in the middle of a text',
    text: 'bake: 1\nstages:\n  a\n  b: { run: make }\n',
    failures: ['yaml-syntax 3:3'],
  },
  {
    title: 'an alias without its anchor',
    text: 'bake: 1\nstages:\n  a: { run: make, env: *shared }\n',
    failures: ['yaml-alias 3:24'],
  },
  {
    title: 'an alias inside what it stands for',
    text: 'bake: 1\nx-a: &a [*a]\nstages:\n  a: { run: make }\n',
    failures: ['yaml-alias 2:10'],
  },
  {
    title: 'a merge of a text',
    text: 'bake: 1\nstages:\n  a:\n    <<: base\n    run: make\n',
    failures: ['bad-key 4:9'],
  },
  {
    title: 'a tag',
    text: 'bake: 1\nstages:\n  a: { run: !shell make }\n',
    failures: ['yaml-tag 3:13'],
  },
  {
    title: 'a list as key',
    text: 'bake: 1\nstages:\n  [a, b]: { run: make }\n',
    failures: ['bad-key 3:3'],
  },
  {
    title: 'a key that JavaScript would trip over',
    text: 'bake: 1\nstages:\n  a: { run: make, env: { __proto__: x } }\n',
    failures: ['bad-key 3:26'],
  },
  {
    title: 'CRLF line ends with a mistake',
    text: 'bake: 1\r\nname: x\r\nstages:\r\n  a:\r\n    runn: make\r\n',
    failures: ['unknown-key 5:5 → run'],
  },
  {
    title: 'a byte order mark with a mistake in the first line',
    text: '﻿bakee: 1\nstages:\n  a: { run: make }\n',
    failures: ['unknown-key 1:1 → bake'],
  },
  {
    title: 'an unknown escape in quotes',
    text: 'bake: 1\nname: "\\q"\nstages:\n  a: { run: make }\n',
    failures: ['yaml-syntax 2:8'],
  },
  {
    title: 'JSON with a comma too few',
    text: '{"bake": 1\n "stages": {"a": {"run": "make"}}}\n',
    failures: ['yaml-syntax 1:10'],
  },
  {
    title: 'an empty file',
    text: '',
    failures: ['pipeline-empty 1:1'],
  },
  {
    title: 'white space only',
    text: '  \n\n',
    failures: ['pipeline-empty 1:1'],
  },
  {
    title: 'comments only',
    text: '# nothing yet\n',
    failures: ['pipeline-empty 1:1'],
  },
  {
    title: 'a list at the top',
    text: '- a\n- b\n',
    failures: ['wrong-type 1:1'],
  },
  {
    title: 'a text at the top',
    text: 'hello\n',
    failures: ['wrong-type 1:1'],
  },
  {
    title: 'no format',
    text: 'stages:\n  a: { run: make }\n',
    failures: ['missing-key 1:1'],
  },
  {
    title: 'another format',
    text: 'bake: 2\nstages:\n  a: { run: make }\n',
    failures: ['unsupported-format 1:7'],
  },
  {
    title: 'the format as text',
    text: 'bake: "1"\nstages:\n  a: { run: make }\n',
    failures: ['unsupported-format 1:7'],
  },
  {
    title: 'no stages',
    text: 'bake: 1\nname: x\n',
    failures: ['missing-key 1:1'],
  },
  {
    title: 'an empty map of stages',
    text: 'bake: 1\nstages: {}\n',
    failures: ['bad-value 2:1'],
  },
  {
    title: 'stages without anything',
    text: 'bake: 1\nstages:\n',
    failures: ['wrong-type 2:8'],
  },
  {
    title: 'a list of stages',
    text: 'bake: 1\nstages:\n  - run: make\n',
    failures: ['wrong-type 3:3'],
  },
  {
    title: 'a misspelt top key',
    text: 'bake: 1\nstage:\n  a: { run: make }\n',
    failures: ['unknown-key 2:1 → stages'],
  },
  {
    title: 'a name with a space',
    text: 'bake: 1\nname: my appliance\nstages:\n  a: { run: make }\n',
    failures: ['bad-value 2:7'],
  },
  {
    title: 'a number as name',
    text: 'bake: 1\nname: 42\nstages:\n  a: { run: make }\n',
    failures: ['quote-text 2:7'],
  },
  {
    title: 'a home directory as cache',
    text: 'bake: 1\ncache: ~/cache\nstages:\n  a: { run: make }\n',
    failures: ['bad-value 2:8'],
  },
  {
    title: 'variables as a list',
    text: 'bake: 1\nvars: [a]\nstages:\n  a: { run: make }\n',
    failures: ['wrong-type 2:7'],
  },
  {
    title: 'a key twice',
    text: 'bake: 1\nname: x\nname: y\nstages:\n  a: { run: make }\n',
    failures: ['duplicate-key 3:1'],
  },
  {
    title: 'a stage twice',
    text: 'bake: 1\nstages:\n  a: { run: make }\n  b: { run: make }\n  a: { run: make }\n',
    failures: ['duplicate-key 5:3'],
  },
  {
    title: 'a misspelt key of a stage',
    text: 'bake: 1\nstages:\n  a: { run: make, timout: 5m }\n',
    failures: ['unknown-key 3:19 → timeout'],
  },
  {
    title: 'a key that other tools have',
    text: 'bake: 1\nstages:\n  a: { run: make, depends_on: [b] }\n  b: { run: make }\n',
    failures: ['unknown-key 3:19 → needs'],
  },
  {
    title: 'a misspelt key of resources',
    text: 'bake: 1\nstages:\n  a: { run: make, resources: { memmory: 2GiB } }\n',
    failures: ['unknown-key 3:32 → memory'],
  },
  {
    title: 'a misspelt key of a secret',
    text: 'bake: 1\nstages:\n  a: { run: make, secrets: { T: { vrsion: "1" } } }\n',
    failures: ['unknown-key 3:35 → version'],
  },
  {
    title: 'a stage with a space',
    text: 'bake: 1\nstages:\n  my stage: { run: make }\n',
    failures: ['bad-name 3:3'],
  },
  {
    title: 'a stage with a slash',
    text: 'bake: 1\nstages:\n  a/b: { run: make }\n',
    failures: ['bad-name 3:3'],
  },
  {
    title: 'a stage with a dot',
    text: 'bake: 1\nstages:\n  a.b: { run: make }\n',
    failures: ['bad-name 3:3'],
  },
  {
    title: 'a stage that begins with a dash',
    text: 'bake: 1\nstages:\n  -a: { run: make }\n',
    failures: ['bad-name 3:3'],
  },
  {
    title: 'a stage whose name is not composed',
    text: 'bake: 1\nstages:\n  café: { run: make }\n',
    failures: ['bad-name 3:3'],
  },
  {
    title: 'a stage with a name that has no end',
    text: `bake: 1\nstages:\n  ${LONG_NAME}: { run: make }\n`,
    failures: ['bad-name 3:3'],
  },
  {
    title: 'a variable with a dot',
    text: 'bake: 1\nvars: { a.b: 1 }\nstages:\n  a: { run: make }\n',
    failures: ['bad-name 2:9'],
  },
  {
    title: 'an output with a space',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { "my file": x } }\n',
    failures: ['bad-name 3:30'],
  },
  {
    title: 'an environment variable with a dash',
    text: 'bake: 1\nstages:\n  a: { run: make, env: { A-B: x } }\n',
    failures: ['bad-name 3:26'],
  },
  {
    title: 'an environment variable that bake sets',
    text: 'bake: 1\nenv: { HOME: /root }\nstages:\n  a: { run: make }\n',
    failures: ['bad-name 2:8'],
  },
  {
    title: 'a secret with a dash',
    text: 'bake: 1\nstages:\n  a: { run: make, secrets: [my-token] }\n',
    failures: ['bad-value 3:29'],
  },
  {
    title: 'a tool with a path',
    text: 'bake: 1\nstages:\n  a: { run: make, tools: [/usr/bin/make] }\n',
    failures: ['bad-value 3:27'],
  },
  {
    title: 'a stage without anything',
    text: 'bake: 1\nstages:\n  a:\n',
    failures: ['stage-without-work 3:3'],
  },
  {
    title: 'a stage that does nothing',
    text: 'bake: 1\nstages:\n  a: { tags: [x] }\n',
    failures: ['stage-without-work 3:3'],
  },
  {
    title: 'a stage as text',
    text: 'bake: 1\nstages:\n  a: make\n',
    failures: ['wrong-type 3:6'],
  },
  {
    title: 'a stage with uses and run',
    text: 'bake: 1\nstages:\n  a: { run: make, uses: ovf-pack }\n',
    failures: ['stage-with-two-works 3:19'],
  },
  {
    title: 'run with options',
    text: 'bake: 1\nstages:\n  a: { run: make, with: { x: 1 } }\n',
    failures: ['stage-with-two-works 3:19'],
  },
  {
    title: 'an unknown kind',
    text: 'bake: 1\nstages:\n  a: { uses: ofv-pack }\n',
    failures: ['unknown-kind 3:14 → ovf-pack'],
  },
  {
    title: 'a kind like nothing known',
    text: 'bake: 1\nstages:\n  a: { uses: terraform }\n',
    failures: ['unknown-kind 3:14'],
  },
  {
    title: 'run as a kind',
    text: 'bake: 1\nstages:\n  a: { uses: run }\n',
    failures: ['unknown-kind 3:14'],
  },
  {
    title: 'an expression as kind',
    text: 'bake: 1\nvars: { k: run }\nstages:\n  a: { uses: "${{ vars.k }}" }\n',
    failures: ['unknown-kind 4:14'],
  },
  {
    title: 'a number as command',
    text: 'bake: 1\nstages:\n  a: { run: 5 }\n',
    failures: ['quote-text 3:13'],
  },
  {
    title: 'a map as command',
    text: 'bake: 1\nstages:\n  a: { run: { cmd: make } }\n',
    failures: ['wrong-type 3:13'],
  },
  {
    title: 'an empty list as command',
    text: 'bake: 1\nstages:\n  a: { run: [] }\n',
    failures: ['bad-value 3:13'],
  },
  {
    title: 'a number in a command',
    text: 'bake: 1\nstages:\n  a: { run: [sleep, 1.50] }\n',
    failures: ['quote-text 3:21'],
  },
  {
    title: 'an empty command',
    text: 'bake: 1\nstages:\n  a: { run: "" }\n',
    failures: ['bad-value 3:13'],
  },
  {
    title: 'a duration that is none',
    text: 'bake: 1\nstages:\n  a: { run: make, timeout: soon }\n',
    failures: ['bad-value 3:28'],
  },
  {
    title: 'no time at all',
    text: 'bake: 1\nstages:\n  a: { run: make, timeout: 0 }\n',
    failures: ['bad-value 3:28'],
  },
  {
    title: 'half a retry',
    text: 'bake: 1\nstages:\n  a: { run: make, retries: 1.5 }\n',
    failures: ['bad-value 3:28'],
  },
  {
    title: 'retries as text',
    text: 'bake: 1\nstages:\n  a: { run: make, retries: "2" }\n',
    failures: ['wrong-type 3:28'],
  },
  {
    title: 'less than no retries',
    text: 'bake: 1\nstages:\n  a: { run: make, retries: -1 }\n',
    failures: ['bad-value 3:28'],
  },
  {
    title: 'a size that is none',
    text: 'bake: 1\nstages:\n  a: { run: make, resources: { memory: lots } }\n',
    failures: ['bad-value 3:40'],
  },
  {
    title: 'a truth value as text',
    text: 'bake: 1\nstages:\n  a: { run: make, place: "yes" }\n',
    failures: ['wrong-type 3:26'],
  },
  {
    title: 'yes, which YAML 1.2 reads as text',
    text: 'bake: 1\nstages:\n  a: { run: make, cache: no }\n',
    failures: ['wrong-type 3:26'],
  },
  {
    title: 'an unknown workspace',
    text: 'bake: 1\nstages:\n  a: { run: make, workspace: inplace }\n',
    failures: ['bad-value 3:30 → in-place'],
  },
  {
    title: 'a version as number',
    text: 'bake: 1\nstages:\n  a: { run: make, env: { VERSION: 1.0 } }\n',
    failures: ['quote-text 3:35'],
  },
  {
    title: 'a variable that is a number where text is due',
    text: 'bake: 1\nvars: { version: 1.0 }\nstages:\n  a: { run: make, env: { VERSION: "${{ vars.version }}" } }\n',
    failures: ['quote-text 4:36'],
  },
  {
    title: 'an environment variable without a value',
    text: 'bake: 1\nstages:\n  a:\n    run: make\n    env:\n      EMPTY:\n',
    failures: ['quote-text 6:13'],
  },
  {
    title: 'a list as environment',
    text: 'bake: 1\nstages:\n  a: { run: make, env: [A=b] }\n',
    failures: ['wrong-type 3:24'],
  },
  {
    title: 'a map as inputs',
    text: 'bake: 1\nstages:\n  a: { run: make, inputs: { a: b } }\n',
    failures: ['wrong-type 3:27'],
  },
  {
    title: 'a list as outputs',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: [x.img] }\n',
    failures: ['wrong-type 3:28'],
  },
  {
    title: 'a list in text',
    text: 'bake: 1\nvars: { l: [a, b] }\nstages:\n  a: { run: "make ${{ vars.l }}" }\n',
    failures: ['bad-expression 4:19'],
  },
  {
    title: 'an undefined variable',
    text: 'bake: 1\nvars: { version: "1" }\nstages:\n  a: { run: "make ${{ vars.verison }}" }\n',
    failures: ['unknown-variable 4:19 → version'],
  },
  {
    title: 'a variable where there are none',
    text: 'bake: 1\nstages:\n  a: { run: "make ${{ vars.version }}" }\n',
    failures: ['unknown-variable 3:19'],
  },
  {
    title: 'a variable without a value',
    text: 'bake: 1\nvars:\n  token:\nstages:\n  a: { run: "make ${{ vars.token }}" }\n',
    failures: ['variable-unset 5:19'],
  },
  {
    title: 'variables in a circle',
    text: 'bake: 1\nvars:\n  a: ${{ vars.b }}\n  b: ${{ vars.a }}\nstages:\n  a: { run: "make ${{ vars.a }}" }\n',
    failures: ['variable-cycle 4:6'],
  },
  {
    title: 'a variable that uses a stage',
    text: 'bake: 1\nvars: { a: "${{ stages.a.outputs.o }}" }\nstages:\n  a: { run: "make ${{ vars.a }}", outputs: { o: o } }\n',
    failures: ['bad-expression 2:13'],
  },
  {
    title: 'a key that a map does not have',
    text: 'bake: 1\nvars: { disk: { size: 2GiB } }\nstages:\n  a: { run: "make ${{ vars.disk.sise }}" }\n',
    failures: ['unknown-reference 4:19 → vars.disk.size'],
  },
  {
    title: 'an expression that is not closed',
    text: 'bake: 1\nstages:\n  a:\n    run: make ${{ vars.x\n',
    failures: ['bad-expression 4:15'],
  },
  {
    title: 'an empty expression',
    text: 'bake: 1\nstages:\n  a:\n    run: make ${{ }}\n',
    failures: ['bad-expression 4:15'],
  },
  {
    title: 'code in an expression',
    text: 'bake: 1\nvars: { a: "1" }\nstages:\n  a:\n    run: make ${{ vars.a || "x" }}\n',
    failures: ['bad-expression 5:15'],
  },
  {
    title: 'a function in an expression',
    text: 'bake: 1\nstages:\n  a:\n    run: make ${{ hashFiles(x) }}\n',
    failures: ['bad-expression 4:15'],
  },
  {
    title: 'a context that other tools have',
    text: 'bake: 1\nstages:\n  a:\n    run: make ${{ github.sha }}\n',
    failures: ['bad-expression 4:15'],
  },
  {
    title: 'a secret in a text',
    text: 'bake: 1\nstages:\n  a: { run: "make ${{ secrets.TOKEN }}", secrets: [TOKEN] }\n',
    failures: ['bad-expression 3:19'],
  },
  {
    title: 'an environment variable that is not declared',
    text: 'bake: 1\nstages:\n  a: { run: "make ${{ env.USER }}", env: { USR: x } }\n',
    failures: ['unknown-reference 3:19 → env.USR'],
  },
  {
    title: 'an environment variable in another',
    text: 'bake: 1\nstages:\n  a: { run: make, env: { A: x, B: "${{ env.A }}" } }\n',
    failures: ['bad-expression 3:36'],
  },
  {
    title: 'a matrix value without a matrix',
    text: 'bake: 1\nstages:\n  a: { run: "make ${{ matrix.arch }}" }\n',
    failures: ['unknown-reference 3:19'],
  },
  {
    title: 'an unknown fact of the pipeline',
    text: 'bake: 1\nstages:\n  a: { run: "make ${{ pipeline.nam }}" }\n',
    failures: ['unknown-reference 3:19 → pipeline.name'],
  },
  {
    title: 'an undefined stage',
    text: 'bake: 1\nstages:\n  build: { run: make, outputs: { o: o } }\n  test: { run: "cat ${{ stages.biuld.outputs.o }}" }\n',
    failures: ['unknown-stage 4:21 → build'],
  },
  {
    title: 'an undefined output',
    text: 'bake: 1\nstages:\n  build: { run: make, outputs: { disk: o } }\n  test: { run: "cat ${{ stages.build.outputs.dsik }}" }\n',
    failures: ['unknown-output 4:21 → disk'],
  },
  {
    title: 'an output of a stage that has none',
    text: 'bake: 1\nstages:\n  build: { run: make }\n  test: { run: "cat ${{ stages.build.outputs.disk }}" }\n',
    failures: ['unknown-output 4:21'],
  },
  {
    title: 'a stage without its output',
    text: 'bake: 1\nstages:\n  build: { run: make, outputs: { o: o } }\n  test: { run: "cat ${{ stages.build }}" }\n',
    failures: ['bad-expression 4:21'],
  },
  {
    title: 'an undefined stage in needs',
    text: 'bake: 1\nstages:\n  build: { run: make }\n  test: { run: make, needs: [biuld] }\n',
    failures: ['unknown-stage 4:30 → build'],
  },
  {
    title: 'itself',
    text: 'bake: 1\nstages:\n  a: { run: "cat ${{ stages.a.outputs.o }}", outputs: { o: o } }\n',
    failures: ['stage-cycle 3:18'],
  },
  {
    title: 'itself in needs',
    text: 'bake: 1\nstages:\n  a: { run: make, needs: a }\n',
    failures: ['stage-cycle 3:26'],
  },
  {
    title: 'a circle of two',
    text: 'bake: 1\nstages:\n  a: { run: "cat ${{ stages.b.outputs.o }}", outputs: { o: o } }\n  b: { run: "cat ${{ stages.a.outputs.o }}", outputs: { o: o } }\n',
    failures: ['stage-cycle 3:18'],
  },
  {
    title: 'a circle of three through needs',
    text: 'bake: 1\nstages:\n  a: { run: make, needs: [b] }\n  b: { run: make, needs: [c] }\n  c: { run: make, needs: [a] }\n  d: { run: make, needs: [a] }\n',
    failures: ['stage-cycle 3:27'],
  },
  {
    title: 'an output in a timeout',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: o } }\n  b: { run: make, timeout: "${{ stages.a.outputs.o }}" }\n',
    failures: ['output-not-allowed 4:29'],
  },
  {
    title: 'an output in a path',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: o } }\n  b: { run: make, outputs: { p: "dist/${{ stages.a.outputs.o }}" } }\n',
    failures: ['output-not-allowed 4:33'],
  },
  {
    title: 'an output in the environment of all',
    text: 'bake: 1\nenv: { A: "${{ stages.a.outputs.o }}" }\nstages:\n  a: { run: make, outputs: { o: o } }\n',
    failures: ['bad-expression 2:12'],
  },
  {
    title: 'a reference that names no cell',
    text: 'bake: 1\nstages:\n  a: { run: make, matrix: { arch: [amd64, arm64] }, outputs: { o: o }, place: false }\n  b: { run: "cat ${{ stages.a.outputs.o }}" }\n',
    failures: ['ambiguous-cell 4:18'],
  },
  {
    title: 'a cell that is not there',
    text: 'bake: 1\nstages:\n  a: { run: make, matrix: { arch: [amd64, arm64] }, outputs: { o: o }, place: false }\n  b: { run: "cat ${{ stages.a[arch=amd46].outputs.o }}" }\n',
    failures: ['unknown-cell 4:18 → arch=amd64'],
  },
  {
    title: 'a cell of a stage without a matrix',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: o } }\n  b: { run: "cat ${{ stages.a[arch=amd64].outputs.o }}" }\n',
    failures: ['unknown-cell 4:18'],
  },
  {
    title: 'a matrix without values',
    text: 'bake: 1\nstages:\n  a: { run: make, matrix: { arch: [] } }\n',
    failures: ['bad-value 3:27'],
  },
  {
    title: 'a matrix with one value for a list',
    text: 'bake: 1\nstages:\n  a: { run: make, matrix: { arch: amd64 } }\n',
    failures: ['wrong-type 3:35'],
  },
  {
    title: 'a value twice',
    text: 'bake: 1\nstages:\n  a: { run: make, matrix: { arch: [amd64, amd64] } }\n',
    failures: ['bad-value 3:27'],
  },
  {
    title: 'a value that cannot be part of a name',
    text: 'bake: 1\nstages:\n  a: { run: make, matrix: { image: [debian/12] } }\n',
    failures: ['bad-value 3:37'],
  },
  {
    title: 'cells with other keys',
    text: 'bake: 1\nstages:\n  a: { run: make, matrix: [{ arch: amd64 }, { os: debian }] }\n',
    failures: ['bad-value 3:45'],
  },
  {
    title: 'more cells than anyone means',
    text: `bake: 1\nvars: { n: [${MANY_VALUES}] }\nstages:\n  a: { run: make, matrix: { a: "\${{ vars.n }}", b: "\${{ vars.n }}" } }\n`,
    failures: ['bad-value 4:27'],
  },
  {
    title: 'an output that leaves the workspace',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: ../x } }\n',
    failures: ['bad-path 3:33'],
  },
  {
    title: 'an output that leaves it in a roundabout way',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: dist/../../x } }\n',
    failures: ['bad-path 3:33'],
  },
  {
    title: 'an absolute output',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: /etc/passwd } }\n',
    failures: ['bad-path 3:33'],
  },
  {
    title: 'an output with a drive',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: "C:/x" } }\n',
    failures: ['bad-path 3:33'],
  },
  {
    title: 'an output with backslashes',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: dist\\x } }\n',
    failures: ['bad-path 3:33'],
  },
  {
    title: 'an empty output',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: "" } }\n',
    failures: ['bad-path 3:33'],
  },
  {
    title: 'the directory itself as output',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: ./ } }\n',
    failures: ['bad-path 3:33'],
  },
  {
    title: 'an output with a zero character',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: "a\\0b" } }\n',
    failures: ['bad-path 3:33'],
  },
  {
    title: 'the pipeline as output',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: ./pipeline.yaml } }\n',
    failures: ['bad-path 3:33'],
  },
  {
    title: 'an output in the cache',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: cache/x } }\n',
    failures: ['bad-path 3:33'],
  },
  {
    title: 'an output in a cache that was named',
    text: 'bake: 1\ncache: .bake\nstages:\n  a: { run: make, outputs: { o: .bake/x } }\n',
    failures: ['bad-path 4:33'],
  },
  {
    title: 'an output in .git',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: .git/config } }\n',
    failures: ['bad-path 3:33'],
  },
  {
    title: 'an absolute input',
    text: 'bake: 1\nstages:\n  a: { run: make, inputs: [/etc/hosts] }\n',
    failures: ['bad-value 3:28'],
  },
  {
    title: 'an input from above',
    text: 'bake: 1\nstages:\n  a: { run: make, inputs: ["!x", ../secret] }\n',
    failures: ['bad-value 3:34'],
  },
  {
    title: 'a file option from above',
    text: 'bake: 1\nstages:\n  a: { uses: qcow2-to-vmdk, with: { disk: ../disk.qcow2 } }\n',
    failures: ['bad-path 3:43'],
  },
  {
    title: 'two outputs at one path',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: dist/x } }\n  b: { run: make, outputs: { o: ./dist//x } }\n',
    failures: ['output-collision 4:33'],
  },
  {
    title: 'an output inside another',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: dist } }\n  b: { run: make, outputs: { o: dist/x } }\n',
    failures: ['output-collision 4:33'],
  },
  {
    title: 'an output around another',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: dist/x } }\n  b: { run: make, outputs: { o: dist } }\n',
    failures: ['output-collision 4:33'],
  },
  {
    title: 'two outputs of one stage at one path',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: x, p: x } }\n',
    failures: ['output-collision 3:39'],
  },
  {
    title: 'cells that write the same path',
    text: 'bake: 1\nstages:\n  a: { run: make, matrix: { arch: [amd64, arm64] }, outputs: { o: out.img } }\n',
    failures: ['output-collision 3:67'],
  },
  {
    title: 'an input that another stage writes',
    text: 'bake: 1\nstages:\n  a: { run: make, outputs: { o: dist/x } }\n  b: { run: make, inputs: [dist/x] }\n',
    failures: ['input-is-output 4:28'],
  },
  {
    title: 'an option that is missing',
    text: 'bake: 1\nstages:\n  a: { uses: qcow2-to-vmdk }\n',
    failures: ['missing-key 3:3'],
  },
  {
    title: 'options without anything',
    text: 'bake: 1\nstages:\n  a:\n    uses: qcow2-to-vmdk\n    with:\n',
    failures: ['missing-key 5:5'],
  },
  {
    title: 'a misspelt option',
    text: 'bake: 1\nstages:\n  a: { uses: qcow2-to-vmdk, with: { dsik: disk.qcow2 } }\n',
    failures: ['unknown-key 3:37 → disk'],
  },
  {
    title: 'a misspelt option of an option',
    text: 'bake: 1\nstages:\n  a: { uses: ovf-pack, with: { disk: d.vmdk, product: { nmae: Tiny } } }\n',
    failures: ['unknown-key 3:57 → name'],
  },
  {
    title: 'a number where text is due',
    text: 'bake: 1\nstages:\n  a: { uses: ovf-pack, with: { disk: d.vmdk, product: { name: Tiny, version: 1.0 } } }\n',
    failures: ['quote-text 3:78'],
  },
  {
    title: 'a list where a file is due',
    text: 'bake: 1\nstages:\n  a: { uses: qcow2-to-vmdk, with: { disk: [a, b] } }\n',
    failures: ['wrong-type 3:43'],
  },
  {
    title: 'a number where a file is due',
    text: 'bake: 1\nstages:\n  a: { uses: qcow2-to-vmdk, with: { disk: 5 } }\n',
    failures: ['wrong-type 3:43'],
  },
  {
    title: 'options as a list',
    text: 'bake: 1\nstages:\n  a: { uses: qcow2-to-vmdk, with: [disk] }\n',
    failures: ['wrong-type 3:35'],
  },
  {
    title: 'a size that is none',
    text: 'bake: 1\nstages:\n  a: { uses: ovf-pack, with: { disk: d.vmdk, product: { name: Tiny }, hardware: { memory: lots } } }\n',
    failures: ['bad-value 3:91'],
  },
  {
    title: 'a word that is not among those',
    text: 'bake: 1\nstages:\n  a: { uses: ovf-pack, with: { disk: d.vmdk, product: { name: Tiny }, hardware: { firmware: uefi } } }\n',
    failures: ['bad-value 3:93 → efi'],
  },
  {
    title: 'an output that the kind does not have',
    text: 'bake: 1\nstages:\n  a: { uses: qcow2-to-vmdk, with: { disk: d.qcow2 }, outputs: { vmkd: x.vmdk } }\n',
    failures: ['unknown-output 3:65 → vmdk'],
  },
  {
    title: 'an output where a number is due',
    text: 'bake: 1\nstages:\n  b: { run: make, outputs: { o: o } }\n  a: { uses: ovf-pack, with: { disk: d.vmdk, product: { name: Tiny }, hardware: { cpus: "${{ stages.b.outputs.o }}" } } }\n',
    failures: ['output-not-allowed 4:90'],
  },
  {
    title: 'a file option with more than a reference',
    text: 'bake: 1\nstages:\n  b: { run: make, outputs: { o: o } }\n  a: { uses: qcow2-to-vmdk, with: { disk: "./${{ stages.b.outputs.o }}" } }\n',
    failures: ['bad-value 4:43'],
  },
  {
    title: 'a forged reference',
    text: 'bake: 1\nstages:\n  a: { uses: qcow2-to-vmdk, with: { disk: { $artifact: { action: a, output: vmdk } } } }\n',
    failures: ['bad-key 3:45'],
  },
  {
    title: 'an output in the place of the disk that it is made of',
    text: 'bake: 1\nstages:\n  a: { uses: shell-provision, with: { disk: disk.qcow2, inline: [x] } }\n',
    failures: ['bad-path 3:3'],
  },
  {
    title: 'an output that was moved to where an input is',
    text: 'bake: 1\nstages:\n  a: { uses: qcow2-to-vmdk, with: { disk: d/x }, outputs: { vmdk: d/x } }\n',
    failures: ['bad-path 3:67'],
  },
  {
    title: 'mistakes of every sort in one file',
    text: 'bake: 1\nnaem: x\nvars: { size: 2GiB }\nstages:\n  a:\n    run: make ${{ vars.sice }}\n    outputs: { o: ../x }\n    timeout: never\n  b:\n    uses: ovf-pak\n  c:\n    run: cat ${{ stages.a.outputs.p }} ${{ stages.bb.outputs.o }}\n    needs: [d]\n    env: { V: 1.0 }\n  d:\n    run: make\n    needs: [c]\n    retries: many\n',
    failures: [
      'unknown-key 2:1 → name',
      'unknown-variable 6:15 → size',
      'bad-path 7:19',
      'bad-value 8:14',
      'unknown-kind 10:11 → ovf-pack',
      'unknown-stage 12:40 → b',
      'stage-cycle 13:13',
      'quote-text 14:15',
      'wrong-type 18:14',
    ],
  },
];
