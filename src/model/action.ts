/** An Action's manifest (what its fingerprint is the sha256 of) and the ActionResult that the cache keeps for it. */
import type { Artifact, Extras, LayeredContent } from './artifact.ts';
import type { Digest, Fingerprint } from './digest.ts';
import type { JsonValue } from './json.ts';
import type { Observation } from './observation.ts';

/** How an input file or an upstream artifact enters a manifest. */
export type ManifestInput =
  | (Extras & { readonly digest: Digest; readonly executable?: true; readonly tree?: true })
  | { readonly link: string };

/**
 * Everything a result depends on, and nothing else: see docs/design/fingerprint.md. Stored beside the result so that
 * two can be compared field by field.
 */
export interface Manifest {
  readonly format: 2;
  readonly kind: string;
  readonly kindVersion: number;
  /** Resolved options; an artifact is `{"artifact": <digest>}`. */
  readonly options: { readonly [name: string]: JsonValue };
  readonly env: { readonly [name: string]: string };
  readonly secrets: { readonly [name: string]: string | null };
  /** Path in the workspace → content; holds declared files and staged upstream artifacts alike. */
  readonly inputs: { readonly [path: string]: ManifestInput };
  /**
   * What it read and looked for while it ran, where that was watched; absent for all others. Without it, this is the manifest by
   * which results are looked up whose readings are still true.
   */
  readonly reads?: { readonly [path: string]: Observation };
  readonly outputs: { readonly [name: string]: string };
  readonly tools: { readonly [name: string]: string };
  /** `linux/x64` for kinds whose result depends on it, else null. */
  readonly platform: string | null;
}

/** What a finished Action left: stored under its fingerprint, after all blobs that it names. */
export interface ActionResult {
  readonly format: 1;
  readonly fingerprint: Fingerprint;
  readonly manifest: Manifest;
  readonly artifacts: readonly Artifact[];
  /** The layers of upstream artifacts that are made of some, by the digest that stands for them in the manifest: what was read can be found again. */
  readonly layered?: { readonly [digest: Digest]: LayeredContent['layers'] };
  /** The masked output, a blob; null when there was none. */
  readonly log: { readonly digest: Digest; readonly sizeBytes: number } | null;
  readonly durationMs: number;
  /** ISO 8601, for people; never compared. */
  readonly createdAt: string;
  /** Who asked for it: pipeline name and action name, for `explain` and `cache ls`. */
  readonly origin: { readonly pipeline: string; readonly action: string };
}
