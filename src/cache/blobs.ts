/** The local BlobStore: bytes by sha256 in cacache's content layout, each a read-only file. */
import type { TreeEntry } from '../model/artifact.ts';
import { adoptPath } from './adopt.ts';
import type { BlobStore } from './cache.ts';
import { putSmall } from './put-small.ts';
import type { Soundness } from './soundness.ts';
import type { Store } from './store.ts';
import { decodeTree } from './tree.ts';

/** Blobs of a store. */
export function localBlobs(store: Store, soundness: Soundness): BlobStore {
  const blobs: BlobStore = {
    async has(digest, sizeBytes) {
      const { stamp } = store.locate(digest);
      return stamp?.type === 'file' && stamp.sizeBytes === sizeBytes;
    },
    isSound: (digest, sizeBytes) => soundness.isSound(digest, sizeBytes),
    pathOf: (digest) => store.locate(digest).path,
    put: (bytes) => putSmall(store, bytes),
    get: (digest) => soundness.readSmall(digest),
    adopt: (path, options = { keep: false }) => adoptPath(store, soundness, path, options),
    async tree(digest): Promise<readonly TreeEntry[] | null> {
      const bytes = await soundness.readSmall(digest);
      return bytes === null ? null : decodeTree(Buffer.from(bytes).toString('utf8'));
    },
  };
  return blobs;
}
