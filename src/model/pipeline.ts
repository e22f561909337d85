/** The pipeline file on its way to a plan: the located tree that parsing gives, and the Pipeline that validation makes of it. */

/** Where a node was written: UTF-16 offsets into the text of the file, end exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface ScalarNode extends Span {
  readonly type: 'scalar';
  readonly value: string | number | boolean | null;
  /** As it was written, without quotes: `1.0` for the number 1. */
  readonly source: string;
  /** `vars.version` when the value was put in place of a reference; the span is then that of the reference. */
  readonly from?: string;
}

export interface ListNode<N = Node> extends Span {
  readonly type: 'list';
  readonly items: readonly N[];
}

export interface MapEntry<N = Node> {
  readonly key: string;
  readonly keySpan: Span;
  readonly value: N;
}

/** Keys are unique and texts, whatever YAML would allow. */
export interface MapNode<N = Node> extends Span {
  readonly type: 'map';
  readonly entries: readonly MapEntry<N>[];
}

/** A value of the file. Nodes behind aliases are shared, not copied. */
export type Node = ScalarNode | ListNode | MapNode;

/** One entry of `stages:`; its keys are known ones and it has either `uses` or `run`. What they hold is looked at when it is planned. */
export interface PipelineStage {
  readonly name: string;
  readonly nameSpan: Span;
  /** `run` or the name of an existing kind. */
  readonly kind: string;
  readonly body: MapNode;
}

/** A pipeline file whose keys are known, whose stages have kinds, and nothing of which is evaluated yet. */
export interface Pipeline {
  readonly name: string;
  readonly description: string | null;
  readonly cacheDir: string | null;
  readonly vars: readonly MapEntry[];
  readonly env: MapNode | null;
  readonly stages: readonly PipelineStage[];
  /** Names of stages that could not be understood: what refers to them is not wrong for that. */
  readonly broken: readonly string[];
}
