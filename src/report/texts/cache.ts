/** Words for trouble with the cache. */
import { shortName } from '../../model/digest.ts';
import type { CacheFailure, StuckBuilder } from '../../model/failure-cache.ts';
import type { Texts } from '../failure-text.ts';
import { formatDuration } from '../format.ts';

const OTHER_DIRECTORY = 'point `--cache-dir` or `$BAKE_CACHE_DIR` at a directory that you may write to';

/** What is known of a builder that does not go on. */
export function stuckWords({ why, quietMs }: StuckBuilder): string {
  return why === 'stopped' ? 'is stopped' : `has shown no life for ${formatDuration(quietMs)}`;
}

export const cacheTexts: Texts<CacheFailure> = {
  'cache-unusable': {
    doc: 'Neither the cache directory nor a temporary one in its place can be used.',
    text: (failure) => ({
      summary: `the cache in ${failure.directory} cannot be used: ${failure.problem}`,
      hint: OTHER_DIRECTORY,
    }),
  },
  'cache-not-writable': {
    doc: 'The cache cannot be written (a full disk, a read-only directory, no permission); the build goes on, but remembers nothing.',
    text: (failure) => ({
      summary: `the cache in ${failure.directory} cannot be written (${failure.errno}); the build goes on without remembering`,
      details: [`refused: ${failure.path}`, 'what the cache already holds is still used'],
      hint:
        failure.errno === 'ENOSPC' || failure.errno === 'EDQUOT'
          ? 'free some space there, or use another directory with `--cache-dir`; `bake cache du` says what takes it up'
          : OTHER_DIRECTORY,
      state: 'results of this run are not stored from here on',
    }),
  },
  'shared-cache-unusable': {
    doc: 'The second cache (`--shared-cache`, `$BAKE_SHARED_CACHE_DIR`) is no directory, or cannot be looked at; the run goes on without it.',
    text: (failure) => ({
      summary: `the shared cache in ${failure.directory} cannot be used`,
      details: ['it is not a directory, or you may not look into it'],
      state: 'the run goes on without it',
    }),
  },
  'cache-corrupt': {
    doc: 'Content in the cache was not what its name says: something else wrote to it, or the disk failed. It is put aside.',
    text: (failure) => ({
      summary: `the cache held damaged content (${shortName(failure.digest)})`,
      details:
        failure.dropped.length === 0
          ? []
          : [`what rested on it is built again: ${failure.dropped.join(', ')}`],
      hint: 'nothing needs to be done; if it happens again, have a look at the disk',
      state:
        failure.quarantine === null
          ? 'it could not be moved away, but it is not used'
          : `it was moved to ${failure.quarantine}`,
    }),
  },
  'cache-incomplete': {
    doc: 'A stored result names content that is no longer in the cache; the result is dropped and the stage built again.',
    text: (failure) => ({
      summary: `the stored result of ${failure.action} is incomplete and was dropped (${shortName(failure.missing)} is gone)`,
    }),
  },
  'builder-passed-over': {
    doc: 'Another bake that builds the same stage is stopped (Ctrl-Z, a debugger) or was not heard of for half a minute. It is not waited for any longer; the stage is built here.',
    text: (failure) => ({
      summary: `another bake (process ${failure.pid} on ${failure.host}) ${stuckWords(failure)}; it is not waited for any longer`,
      details: [`it builds for ${failure.directory}`],
      hint: 'nothing needs to be done: whichever is done first, the results are the same',
    }),
  },
  'lock-lost': {
    doc: 'This bake was stopped or hung for so long that another one began to build the same stage. Both may finish.',
    text: (failure) => ({
      summary: `this bake (in ${failure.directory}) stood still for so long that another one began to build the same`,
      hint: 'nothing needs to be done: whichever is done first, the results are the same',
    }),
  },
  'private-state-elsewhere': {
    doc: 'Other users could change what bake keeps for you alone if it lay in the cache directory; it lies in your state home. Said once.',
    text: (failure) => ({
      summary: `what is yours alone of the cache in ${failure.cache} is kept in ${failure.directory}`,
      details: [
        "every directory on the way to it must be yours or root's, and sticky if others may write to it",
        'a directory of your own there must never have been open to others for writing',
      ],
      hint: `\`chmod +t ${failure.cache}\` by its owner, root at best, lets it lie in the cache`,
    }),
  },
  'private-state-temporary': {
    doc: 'Neither the cache directory nor the state home is safe from other users, or can be written: state, logs and workspaces go to a temporary directory.',
    text: (failure) => ({
      summary: `nothing can be kept for you alone in ${failure.cache} nor in your home`,
      details: [`this run uses ${failure.directory}`, 'the next one finds out anew what has changed'],
      hint: 'set `HOME` or `$XDG_STATE_HOME` to a directory of your own',
    }),
  },
  'old-cache-layout': {
    doc: 'The cache holds state, logs and workspaces of an earlier version, where other users could change them. They are left alone and never read. Said once.',
    text: (failure) => ({
      summary: `${failure.cache} holds what an earlier version of bake kept there; it is left alone`,
      details: failure.directories,
      hint: '`bake cache rm --all` removes it, and all results; or remove those directories by hand',
    }),
  },
  'blob-missing': {
    doc: 'Content that was there a moment ago is gone from the cache: another program removed it.',
    text: (failure) => ({
      summary: `content ${shortName(failure.digest)} is not in the cache any more`,
      details: ['another program removed it while it was needed'],
      hint: 'run bake again: it will be built',
    }),
  },
  'restore-escapes': {
    doc: 'A directory on the way to where an output belongs is a symbolic link that leads elsewhere; bake does not write through it.',
    text: (failure) => ({
      summary: `cannot put ${failure.path} in place: ${failure.link} is a symbolic link that leads out of the checkout`,
      hint: `remove the link ${failure.link}, or give the output another path`,
      state: 'nothing was written',
    }),
  },
  'blob-written-through': {
    doc: 'A stage wrote to an input that it shares with the cache. Inputs are read-only, but root is not stopped by that.',
    text: (failure) => ({
      summary: `a stage wrote to one of its inputs (content ${shortName(failure.digest)})`,
      details: ['inputs are shared with the cache and must not be changed in place'],
      hint: 'let the stage work on a copy: `cp --reflink=auto INPUT work && …`',
      state: 'the damaged content was put aside; nothing was stored',
    }),
  },
};
