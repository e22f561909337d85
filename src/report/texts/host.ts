/** Words for trouble with the host: files, disk, processes. */
import type { HostFailure } from '../../model/failure-host.ts';
import type { Texts } from '../failure-text.ts';

const MEANINGS: { readonly [errno: string]: string } = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  ENOENT: 'it does not exist',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a directory',
  ENOTREG: 'it is no regular file',
  EFBIG: 'it is too large',
  ENOTDIR: 'a part of the path is no directory',
  EMFILE: 'too many open files',
  EIO: 'the disk failed',
  EEXIST: 'it is there already',
  ENOTEMPTY: 'it is not empty',
  EXDEV: 'it is on another file system',
  EMLINK: 'it has too many links',
  ELOOP: 'its symbolic links lead in a circle',
  ENAMETOOLONG: 'its name is too long',
  EBUSY: 'it is in use',
  ETXTBSY: 'the program is being written to',
  ENOEXEC: 'it is not a program for this machine',
  ECANCELED: 'bake was told to stop',
};

export const hostTexts: Texts<HostFailure> = {
  'file-trouble': {
    doc: 'The operating system refused something that bake needs to do with a file.',
    text: (failure) => ({
      summary: `cannot ${failure.action} ${failure.path}: ${MEANINGS[failure.errno] ?? 'the system refused'} (${failure.errno})`,
    }),
  },
};
