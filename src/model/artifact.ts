/** Artifacts: outputs that exist, described by content and never by place. */
import type { Digest } from './digest.ts';

/** One file's bytes. */
export interface FileContent {
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

/** One entry of a tree manifest. `path` is relative to the tree's root, `/` separated; no segment is empty, `.` or `..`. */
export type TreeEntry =
  | {
      readonly path: string;
      readonly type: 'file';
      readonly digest: Digest;
      readonly sizeBytes: number;
      readonly executable: boolean;
    }
  | { readonly path: string; readonly type: 'link'; readonly target: string }
  | { readonly path: string; readonly type: 'directory' };
