/** What planning is given besides the kinds: the pipeline file's bytes, and the values that override its variables. */

export interface PipelineSource {
  /** As the user named it. */
  readonly file: string;
  /** Absolute directory of the pipeline file. */
  readonly root: string;
  readonly bytes: Uint8Array;
}

/** Later ones win: the pipeline's own values, then `BAKE_VAR_<name>`, then variable files in order, then `--var`. */
export interface PlanSettings {
  /** `--var name=value`. */
  readonly vars: { readonly [name: string]: string };
  /** `--var-file`, in the order given, already read. */
  readonly varFiles: readonly { readonly path: string; readonly text: string }[];
  /** bake's own environment; only `BAKE_VAR_*` is looked at. */
  readonly env: { readonly [name: string]: string | undefined };
}
