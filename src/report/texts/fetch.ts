/** Words for what can go wrong with a download. */
import type { FetchFailure, FetchTrouble } from '../../model/failure-fetch.ts';
import type { Texts } from '../failure-text.ts';
import { formatSize } from '../format.ts';

const STORED_NOTHING = 'nothing was stored for this stage';

export const fetchTexts: Texts<FetchFailure> = {
  'fetch-failed': {
    doc: 'A download failed at every address that was given. What has arrived is kept and resumed by the next run.',
    text: ({ troubles, keptBytes }) => {
      const [only] = troubles;
      const single = troubles.length === 1 && only !== undefined;
      return {
        summary: single
          ? `${only.url} could not be fetched: ${only.problem}`
          : `none of ${troubles.length} mirrors could be fetched`,
        details: single ? [] : listed(troubles),
        hint: 'check the address and the network; the next run goes on where this one ended',
        state:
          keptBytes > 0
            ? `${STORED_NOTHING}; ${formatSize(keptBytes)} of the file are kept for the next run`
            : STORED_NOTHING,
      };
    },
  },
  'fetch-checksum': {
    doc: 'A file was fetched whole, but its checksum is not the one the pipeline asks for.',
    text: (failure) => ({
      summary: `${failure.url} is not the file that was asked for: its ${failure.algorithm} differs`,
      details: [
        `expected ${failure.algorithm}:${failure.expected}`,
        `found    ${failure.algorithm}:${failure.actual} (${formatSize(failure.sizeBytes)})`,
        ...(failure.contentType?.startsWith('text/html') ? ['the server sent a web page, not an image'] : []),
        ...(failure.encoding === null
          ? []
          : [
              `the server sent it compressed (Content-Encoding: ${failure.encoding}) although it was asked not to: these may be other bytes of the right file`,
            ]),
        ...listed(failure.others),
      ],
      hint:
        failure.encoding !== null
          ? 'name a mirror that sends the file as it is'
          : `if the new file is the one you want, put its checksum into the pipeline: ${failure.algorithm}: ${failure.actual}`,
      state: `${STORED_NOTHING}; the wrong file was deleted`,
    }),
  },
  'fetch-changed': {
    doc: 'The file was replaced at its origin: the checksum file names another checksum than bake.lock remembers.',
    text: (failure) => ({
      summary: `${failure.url} has changed since bake.lock was written`,
      details: [
        `bake.lock says ${failure.locked}`,
        `now it is      ${failure.current}`,
        `according to   ${failure.checksumUrl}`,
      ],
      hint: `to accept the new file, delete the line "${failure.lockKey}" from bake.lock or run with --force`,
      state: `${STORED_NOTHING}; bake.lock is unchanged`,
    }),
  },
  'fetch-disk-full': {
    doc: 'The file that is to be downloaded is larger than what is free on the disk of the cache.',
    text: (failure) => ({
      summary: `no room for ${failure.url}`,
      details: [
        `${formatSize(failure.neededBytes)} are still to come, ${formatSize(failure.freeBytes)} are free in ${failure.directory}`,
      ],
      hint: 'free some space, or put the cache on a larger disk with --cache-dir or BAKE_CACHE_DIR',
      state: STORED_NOTHING,
    }),
  },
  'checksum-not-listed': {
    doc: 'A checksum file holds no sha256 or sha512 for the file that is to be fetched.',
    text: (failure) => ({
      summary: `${failure.checksumUrl} has no sha256 or sha512 for ${failure.names.join(' or ')}`,
      details:
        failure.listed.length > 0
          ? [
              `it lists ${failure.listed.slice(0, 8).join(', ')}${failure.listed.length > 8 ? ` and ${failure.listed.length - 8} more` : ''}`,
            ]
          : ['it lists no checksums of that kind at all'],
      hint: 'say under `filename:` how the file is called there, or write the checksum itself under `sha256:`',
      state: STORED_NOTHING,
    }),
  },
  'checksum-ambiguous': {
    doc: 'A checksum file has different checksums for files of one name, and the address does not tell which is meant.',
    text: ({ name, lines }) => ({
      summary: `${lines.length} different checksums for ${name}`,
      details: lines.slice(0, 8).map(({ line, text }) => `line ${line}: ${text}`),
      hint: 'write the checksum that is meant under `sha256:`, or the path that the checksum file has under `url:`',
      state: STORED_NOTHING,
    }),
  },
  'lock-file-broken': {
    doc: 'A line of bake.lock cannot be read, as after a merge that left conflict markers.',
    text: () => ({
      summary: 'bake.lock has a line that is no entry',
      details: ['expected `key = value`, a comment after #, or an empty line'],
      hint: 'mend or delete the line; what is missing is asked for again',
    }),
  },
};

function listed(troubles: readonly FetchTrouble[]): readonly string[] {
  return troubles.map((trouble) => `${trouble.url}: ${trouble.problem}`);
}
