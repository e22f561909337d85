/** What all blobs have in common: their time, and up to which size they are read whenever they are used. */

/** Up to here reading and hashing costs less than remembering whether it is needed. */
export const SMALL_BYTES = 1024 * 1024;

/**
 * When every blob was "last written": 2020-01-01, the SOURCE_DATE_EPOCH that stages see, so that a stage that archives its
 * inputs with their times gives the same bytes everywhere. Anybody can set it: it proves nothing.
 */
export const BLOB_MTIME_MS = 1_577_836_800_000;
