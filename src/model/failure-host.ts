/** Trouble with the host: files, disk, processes. Exit status 3 when nothing else explains the failure. */

export type HostFailure = {
  readonly code: 'file-trouble';
  /** What was tried: "write", "read", "create the directory". */
  readonly action: string;
  readonly path: string;
  /** `ENOSPC`, `EACCES`… */
  readonly errno: string;
};
