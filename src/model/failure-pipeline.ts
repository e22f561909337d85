/** What can be wrong with a pipeline file: found before anything runs, exit status 2. */
import type { Location } from './location.ts';

/** `where` is the dotted path of the value, such as `stages.disk.with.disk_size`. */
interface At {
  readonly location: Location;
}

export type PipelineFailure =
  | { readonly code: 'pipeline-not-found'; readonly path: string }
  | (At & { readonly code: 'pipeline-too-large'; readonly sizeBytes: number; readonly limitBytes: number })
  | (At & { readonly code: 'pipeline-not-text'; readonly problem: string })
  | (At & { readonly code: 'pipeline-empty' })
  | (At & { readonly code: 'yaml-syntax'; readonly problem: string; readonly hint?: string | null })
  | (At & { readonly code: 'yaml-alias'; readonly problem: string })
  | (At & { readonly code: 'yaml-tag'; readonly tag: string })
  | (At & { readonly code: 'bad-key'; readonly problem: string })
  | (At & { readonly code: 'duplicate-key'; readonly key: string; readonly first: Location })
  | (At & {
      readonly code: 'unknown-key';
      readonly key: string;
      readonly where: string;
      readonly known: readonly string[];
      readonly suggestion: string | null;
    })
  | (At & {
      readonly code: 'missing-key';
      readonly key: string;
      readonly where: string;
      readonly expected: string | null;
    })
  | (At & {
      readonly code: 'wrong-type';
      readonly where: string;
      readonly expected: string;
      readonly found: string;
    })
  /** YAML read a number, a truth value or nothing where a text was meant. */
  | (At & {
      readonly code: 'quote-text';
      readonly where: string;
      readonly source: string;
      /** The variable that holds it, when it was not written here. */
      readonly from: string | null;
    })
  | (At & {
      readonly code: 'bad-value';
      readonly where: string;
      readonly problem: string;
      readonly suggestion: string | null;
    })
  | (At & {
      readonly code: 'bad-name';
      readonly what: string;
      readonly name: string;
      readonly problem: string;
    })
  | (At & { readonly code: 'unsupported-format'; readonly found: string })
  | (At & { readonly code: 'stage-without-work'; readonly stage: string })
  | (At & { readonly code: 'stage-with-two-works'; readonly stage: string })
  | (At & {
      readonly code: 'unknown-kind';
      readonly kind: string;
      readonly known: readonly string[];
      readonly suggestion: string | null;
    })
  | (At & {
      readonly code: 'bad-expression';
      readonly expression: string;
      readonly problem: string;
      readonly hint: string | null;
    })
  | UnknownNameFailure
  | (At & { readonly code: 'variable-unset'; readonly name: string })
  | (At & { readonly code: 'variable-cycle'; readonly names: readonly string[] })
  | (At & { readonly code: 'output-not-allowed'; readonly where: string; readonly reference: string })
  | (At & {
      readonly code: 'ambiguous-cell';
      readonly stage: string;
      readonly missing: readonly string[];
      /** A reference that would do. */
      readonly example: string;
    })
  | (At & {
      readonly code: 'stage-cycle';
      /** Each stage of the cycle with the place at which it asks for the next one; the last asks for the first. */
      readonly path: readonly { readonly stage: string; readonly location: Location }[];
    })
  | (At & {
      readonly code: 'bad-path';
      readonly where: string;
      readonly path: string;
      readonly problem: string;
    })
  | (At & {
      readonly code: 'output-collision';
      readonly path: string;
      readonly stage: string;
      readonly otherPath: string;
      readonly otherStage: string;
      readonly other: Location;
      /** The matrix keys of the stage, when both are cells of one. */
      readonly matrixKeys: readonly string[];
    })
  | (At & {
      readonly code: 'input-is-output';
      readonly path: string;
      readonly reference: string;
    })
  | VariableFailure;

type UnknownNameFailure =
  | (At & {
      readonly code: 'unknown-variable';
      readonly name: string;
      readonly known: readonly string[];
      readonly suggestion: string | null;
    })
  | (At & {
      /** A name after `env.`, `matrix.` or `pipeline.`, or a key of a variable that is a map. */
      readonly code: 'unknown-reference';
      readonly reference: string;
      readonly known: readonly string[];
      readonly suggestion: string | null;
    })
  | (At & { readonly code: 'unknown-stage'; readonly stage: string; readonly suggestion: string | null })
  | (At & {
      readonly code: 'unknown-cell';
      readonly stage: string;
      readonly cell: string;
      readonly known: readonly string[];
      readonly suggestion: string | null;
    })
  | (At & {
      readonly code: 'unknown-output';
      readonly stage: string;
      readonly output: string;
      readonly known: readonly string[];
      readonly suggestion: string | null;
    });

/** About a value that came from outside the file: `origin` is `--var`, the name of an environment variable, or a variable file. */
type VariableFailure =
  | {
      readonly code: 'undeclared-variable';
      readonly name: string;
      readonly origin: string;
      readonly location: Location | null;
      readonly known: readonly string[];
      readonly suggestion: string | null;
    }
  | {
      readonly code: 'bad-variable-value';
      readonly name: string;
      readonly origin: string;
      readonly location: Location | null;
      readonly value: string;
      readonly expected: string;
    }
  /** Warnings. */
  | (At & { readonly code: 'unused-variable'; readonly name: string })
  /** A warning: a value from outside looks like a secret, and is treated like any other. */
  | (At & { readonly code: 'secret-in-variable'; readonly name: string; readonly origin: string });
