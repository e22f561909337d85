/** Words for what can go wrong while a stage runs. */
import type { HiddenReason, StageFailure } from '../../model/failure-stage.ts';
import type { Texts } from '../failure-text.ts';
import { formatDuration, formatSize } from '../format.ts';
import { stuckWords } from './cache.ts';

/** Places of a secret that are named one by one. */
const MOST_PLACES = 8;
const NOTHING_STORED = 'nothing was stored for this stage';

function tail(lines: readonly string[]) {
  return lines.length === 0 ? [] : [{ title: 'the last lines of its output', lines }];
}

function endingOf(failure: { readonly exitCode: number | null; readonly signal: string | null }): string {
  if (failure.signal !== null) return `was ended by the signal ${failure.signal}`;
  return failure.exitCode === null ? 'did not end by itself' : `ended with exit status ${failure.exitCode}`;
}

function list(files: readonly string[]): string {
  const shown = files.slice(0, 8).join(', ');
  return files.length > 8 ? `${shown} and ${files.length - 8} more` : shown;
}

const LONGEST_PATH_SHOWN = 400;

/** A path of many kilobytes helps nobody. */
function shortened(path: string): string {
  return path.length > LONGEST_PATH_SHOWN ? `${path.slice(0, LONGEST_PATH_SHOWN)}…` : path;
}

const HIDDEN: { readonly [reason in HiddenReason]: string } = {
  outside: 'lies outside of the project',
  ignored: 'is ignored by git',
  output: 'is made by a stage, or belongs to the cache',
  given: 'is large, and given to a stage as it is',
  special: 'is neither a file nor a directory',
};

function hiddenHint(files: readonly { readonly path: string; readonly reason: HiddenReason }[]): string {
  if (files.some(({ reason }) => reason === 'output'))
    return 'refer to what a stage makes by its output: `extra_vars: { file: ${{ stages.NAME.outputs.NAME }} }`';
  const named = files.filter(({ reason }) => reason !== 'special').map(({ path }) => path);
  return `let the playbook see it: \`with: { files: [${list(named)}] }\`, or name a larger \`project\``;
}

export const stageTexts: Texts<StageFailure> = {
  'command-failed': {
    doc: 'A command of a stage ended with a status other than 0, or was ended by a signal.',
    text: (failure) => ({
      summary: `a command ${endingOf(failure)}`,
      command: failure.command,
      excerpts: tail(failure.tail),
      details:
        failure.undeclared.length === 0
          ? []
          : [
              `its output names files of the checkout that the stage does not declare, so it could not see them: ${list(failure.undeclared)}`,
            ],
      hint:
        failure.undeclared.length === 0
          ? null
          : `declare what it needs: \`inputs: [${failure.undeclared.slice(0, 8).join(', ')}]\``,
      state: NOTHING_STORED,
    }),
  },
  'command-not-found': {
    doc: 'A program that a stage calls is not on the PATH.',
    text: (failure) => ({
      summary: `the program \`${failure.command}\` is not installed, or not on the PATH`,
      hint:
        failure.package === null
          ? '`bake doctor` lists what is missing on this host'
          : `install the package \`${failure.package}\`; \`bake doctor\` lists all that is missing`,
      state: NOTHING_STORED,
    }),
  },
  'stage-timeout': {
    doc: 'A stage ran longer than its `timeout` and was ended with everything that it had started.',
    text: (failure) => ({
      summary: `it was not done after ${formatDuration(failure.timeoutMs)}, its time limit, and was ended`,
      excerpts: tail(failure.tail),
      hint: 'raise `timeout:` of the stage if it needs longer',
      state: NOTHING_STORED,
    }),
  },
  'command-silent': {
    doc: 'A command said nothing for longer than `idle_timeout` and was ended.',
    text: (failure) => ({
      summary: `it said nothing for ${formatDuration(failure.idleMs)}, its \`idle_timeout\`, and was ended`,
      excerpts: tail(failure.tail),
      hint: 'raise `idle_timeout` if it is meant to be silent for so long',
      state: NOTHING_STORED,
    }),
  },
  'output-missing': {
    doc: 'A stage ended well but did not leave a file that it declares under `outputs`.',
    text: (failure) => ({
      summary: `the output \`${failure.output}\` is missing: the stage left nothing at ${failure.path}`,
      details: [
        failure.found.length === 0
          ? 'the stage left no files at all'
          : `the stage left: ${list(failure.found)}`,
      ],
      hint: `let the stage write ${failure.path}, or correct the path under \`outputs:\``,
      state: NOTHING_STORED,
    }),
  },
  'output-is-symlink': {
    doc: 'A declared output is a symbolic link, or lies behind one: its bytes would not be in the cache.',
    text: (failure) => ({
      summary: `the output \`${failure.output}\` (${failure.path}) is a symbolic link to ${failure.target}, not the file itself`,
      hint: 'write the file itself, for example with `cp --dereference`',
      state: NOTHING_STORED,
    }),
  },
  'output-not-a-file': {
    doc: 'A declared output is neither a file nor a directory.',
    text: (failure) => ({
      summary: `the output \`${failure.output}\` (${failure.path}) is ${failure.found}; only files and directories can be stored`,
      state: NOTHING_STORED,
    }),
  },
  'not-storable': {
    doc: 'An output, or something in it, is of a sort that cannot be kept: a socket, a pipe, a device, a name or target of a link that is no UTF-8, a directory that cannot be listed; or it changed while it was stored.',
    text: (failure) => ({
      summary: `${shortened(failure.path)} cannot be stored: ${failure.problem}`,
      hint: 'outputs are files, directories and symbolic links, and nobody writes to them when the stage has ended',
      state: NOTHING_STORED,
    }),
  },
  'input-changed': {
    doc: 'A file that the stage declares as input was changed while the stage ran, so nobody can say what the result was made of.',
    text: (failure) => ({
      summary: `${list(failure.files)} changed while the stage ran`,
      details: ['what was built from it may be neither the old nor the new, so it is not used'],
      hint: 'run it again when the files are at rest',
      state: NOTHING_STORED,
    }),
  },
  'read-hidden': {
    doc: 'A playbook looked for a file that lies in the checkout but not in its project, or that git ignores, or that a stage makes. Run by hand it would have found it, so the image would not be the same.',
    text: ({ files }) => ({
      summary: `it looked for ${list(files.map(({ path }) => path))}, which it cannot see`,
      details: files.slice(0, MOST_PLACES).map(({ path, reason }) => `${path} ${HIDDEN[reason]}`),
      hint: hiddenHint(files),
      state: NOTHING_STORED,
    }),
  },
  'wrote-into-project': {
    doc: 'A warning: a playbook made or changed files of its project on this host (`fetch`, a password that a lookup made up, a cache of facts). Its project is a copy: what it wrote is kept aside, and the result is not kept in the cache, for it would come back without these files.',
    text: ({ stage, files, directory }) => ({
      summary: `${stage} wrote ${list(files)} into its project, which is a copy`,
      details: [`they are kept in ${directory}, until it runs again`],
      hint: 'its result is used, and not kept in the cache: it runs again next time. Let it write into the machine, or to an absolute path; what it makes up (a password) can be given to it as a variable, a secret or a file',
    }),
  },
  'project-too-large': {
    doc: 'The project of a playbook, of which it sees a copy, has too many files or too many bytes.',
    text: (failure) => ({
      location: failure.location,
      summary: `the project of ${failure.stage} (${list(failure.projects)}) is too large to be copied: ${failure.files} files or more, ${formatSize(failure.sizeBytes)}`,
      details: [
        `at most ${failure.mostFiles} files and ${formatSize(failure.mostBytes)}`,
        ...failure.largest.map(({ path, sizeBytes }) => `${path} has ${formatSize(sizeBytes)}`),
      ],
      hint: 'name the directory that the playbooks need: `with: { project: ansible }`; what git ignores is left out',
    }),
  },
  'stage-refused': {
    doc: 'A stage found its work impossible for a reason that it tells itself.',
    text: (failure) => ({ summary: failure.problem, hint: failure.hint, state: NOTHING_STORED }),
  },
  'upstream-damaged': {
    doc: 'A stage wrote into the output of another stage, which it was given for reading only.',
    text: (failure) => ({
      summary: `the stage wrote into what it was given for reading: ${list(failure.files)}`,
      details: ['outputs of other stages are shared with the cache; a change would spoil them for everybody'],
      hint: 'copy the file first, and change the copy',
      state:
        'nothing was stored for this stage; what it spoilt was dropped from the cache and is made anew when it is needed',
    }),
  },
  'process-left': {
    doc: 'A command of a stage left a process running that bake cannot end, because it belongs to another user.',
    text: (failure) => ({
      summary: `${failure.stage} left a process running that could not be ended: ${failure.pid} (${failure.command})`,
      hint: 'let the stage end what it starts: what goes on writing when outputs are stored makes them worthless',
    }),
  },
  'stage-waits-for-itself': {
    doc: 'A stage runs bake itself, and that needs a stage which the outer bake is building just now: both would wait for each other for ever.',
    text: (failure) => ({
      summary: `this bake was started by a stage of another one (process ${failure.pid}), which is building the same just now`,
      details: ['it would wait for that one, and that one waits for the stage which started it'],
      hint: 'do not run bake for a stage out of that stage; let the stage name what it needs, as in `${{ stages.NAME.outputs.OUTPUT }}`',
      state: NOTHING_STORED,
    }),
  },
  'other-builder-stuck': {
    doc: 'Another bake runs the same stage in the same directory (`workspace: in-place`) and is stopped, or shows no life.',
    text: (failure) => ({
      summary: `another bake (process ${failure.pid} on ${failure.host}) runs this stage in this directory, and ${stuckWords(failure)}`,
      hint: `let it go on (\`kill -CONT ${failure.pid}\`, or \`fg\` where it was started), or end it`,
      state: NOTHING_STORED,
    }),
  },
  'secret-in-output': {
    doc: 'The value of a secret was found in an output: in a file, which is then not kept in the cache, or in a name, which fails the stage.',
    text: ({ stage, secrets, places, refused }) => ({
      summary: `${secrets.join(' and ')} of stage ${stage} ${secrets.length === 1 ? 'is' : 'are'} in what it made`,
      details: [
        ...places
          .slice(0, MOST_PLACES)
          .map(({ output, path, isName }) => `output ${output}: ${isName ? 'the name ' : ''}${path}`),
        ...(places.length > MOST_PLACES ? [`and ${places.length - MOST_PLACES} more`] : []),
      ],
      hint: refused
        ? 'keep the value out of what the stage leaves; `in_outputs: ignore` of the secret allows it'
        : 'its outputs are used, and not kept in the cache: the stage runs again next time; `in_outputs` of the secret may say `error`, or `ignore` to have them kept',
      state: refused ? NOTHING_STORED : null,
    }),
  },
  'user-data-unread': {
    doc: 'A warning: the first line of the user-data in a seed image is none by which cloud-init knows what it is.',
    text: () => ({
      summary: 'cloud-init will not read this `user-data`: its first line says nothing that it knows',
      hint: 'begin it with `#cloud-config`, or with `#!` for a script',
    }),
  },
  'no-result': {
    doc: 'A command asks for the log or the outputs of a stage that has none, here or in the cache.',
    text: (failure) => ({
      summary: `there is no ${failure.wanted} of stage \`${failure.stage}\`, neither of this checkout nor in the cache`,
      hint: `build it: \`bake run ${failure.stage}\``,
    }),
  },
  'no-such-output': {
    doc: 'A command names an output that the stage does not have.',
    text: (failure) => ({
      summary: `stage \`${failure.stage}\` has no output \`${failure.output}\``,
      details:
        failure.known.length === 0 ? ['it has no outputs at all'] : [`its outputs: ${list(failure.known)}`],
    }),
  },
};
