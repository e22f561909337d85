/** Artifacts: outputs that exist, described by content and never by place. */
import type { Digest } from './digest.ts';

/** What is kept of a file or directory besides its bytes and the exec bit; each is there only where it is not as usual. */
export type Extras = {
  /** Others than the owner may not read it: it is placed for the owner alone, 0600 or 0700. */
  readonly private?: true;
  /** The set-user-id, set-group-id and sticky bits, 4, 2 and 1, added up. */
  readonly special?: number;
  /** Extended attributes by name; values in base64. */
  readonly attributes?: { readonly [name: string]: string };
};

/** One file's bytes. */
export interface FileContent extends Extras {
  readonly type: 'file';
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly executable: boolean;
}

/** A directory: the digest is that of its canonical tree manifest, which is itself a blob. */
export interface TreeContent {
  readonly type: 'tree';
  readonly digest: Digest;
  /** Sum of the sizes of all files in it. */
  readonly sizeBytes: number;
}

/**
 * A disk made of layers, lowest first, each a blob; the digest is that of the canonical JSON list of layer digests.
 * Reading goes through the whole chain.
 */
export interface LayeredContent {
  readonly type: 'layers';
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly layers: readonly { readonly digest: Digest; readonly sizeBytes: number }[];
}

export type Content = FileContent | TreeContent | LayeredContent;

/** An output with its name, its path as declared (relative, `/` separators), and its content. */
export interface Artifact {
  readonly name: string;
  readonly path: string;
  readonly content: Content;
}

/**
 * One entry of a tree manifest. `path` is relative to the tree's root, `/` separated; no segment is empty, `.` or `..`. The
 * root itself has an entry, with the empty path, only where it has extras.
 */
export type TreeEntry =
  | (Extras & {
      readonly path: string;
      readonly type: 'file';
      readonly digest: Digest;
      readonly sizeBytes: number;
      readonly executable: boolean;
      /** The path of an earlier entry that is the same file: a hard link. */
      readonly sameAs?: string;
    })
  | { readonly path: string; readonly type: 'link'; readonly target: string }
  | (Extras & { readonly path: string; readonly type: 'directory' });
