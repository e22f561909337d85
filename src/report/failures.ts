/** Every failure code with its words and its exit status: a new failure does not compile until it has both. */
import type { Failure, FailureCode } from '../model/failure.ts';
import type { FailureText, FailureWords, Texts } from './failure-text.ts';
import { cacheTexts } from './texts/cache.ts';
import { checkoutTexts } from './texts/checkout.ts';
import { fetchTexts } from './texts/fetch.ts';
import { hostTexts } from './texts/host.ts';
import { machineTexts, withKept } from './texts/machine.ts';
import { pipelineTexts } from './texts/pipeline.ts';
import { stageTexts } from './texts/stage.ts';
import { toolTexts } from './texts/tool.ts';
import { usageTexts } from './texts/usage.ts';

const TEXTS: Texts<Failure> = {
  ...pipelineTexts,
  ...usageTexts,
  ...checkoutTexts,
  ...stageTexts,
  ...fetchTexts,
  ...machineTexts,
  ...cacheTexts,
  ...hostTexts,
  ...toolTexts,
};

/** The areas in the order of docs/errors.md, each with the exit status of a command that ends with one of its failures. */
const AREAS: readonly {
  readonly title: string;
  readonly exitStatus: 1 | 2 | 3;
  readonly texts: { readonly [code: string]: { readonly doc: string } };
}[] = [
  { title: 'Pipeline file', exitStatus: 2, texts: pipelineTexts },
  { title: 'Command line', exitStatus: 2, texts: usageTexts },
  { title: 'Checkout and environment', exitStatus: 2, texts: checkoutTexts },
  { title: 'Stages', exitStatus: 1, texts: stageTexts },
  { title: 'Downloads', exitStatus: 1, texts: fetchTexts },
  { title: 'Virtual machines', exitStatus: 1, texts: machineTexts },
  { title: 'Cache', exitStatus: 3, texts: cacheTexts },
  { title: 'Host', exitStatus: 3, texts: hostTexts },
  { title: 'Tools', exitStatus: 3, texts: toolTexts },
];

/** The words for a failure. */
export function textOf(failure: Failure): FailureText {
  // Each entry takes the failure of its own code; the type checker cannot follow that through an index.
  const words = TEXTS[failure.code] as FailureWords<Failure>;
  const text = words.text(failure);
  return failure.kept ? withKept(text, failure.kept) : text;
}

/** What a command exits with when this failure ends it; a stage that fails for whatever reason is 1, see `commands/run`. */
export function exitStatusOf(failure: Failure): 1 | 2 | 3 {
  return AREAS.find((area) => failure.code in area.texts)?.exitStatus ?? 3;
}

/** Every code with its area, exit status and the sentence that says when it happens: what docs/errors.md is made of. */
export function documentedFailures(): readonly {
  readonly area: string;
  readonly exitStatus: number;
  readonly code: FailureCode;
  readonly doc: string;
}[] {
  return AREAS.flatMap((area) =>
    Object.entries(area.texts).map(([code, { doc }]) => ({
      area: area.title,
      exitStatus: area.exitStatus,
      code: code as FailureCode,
      doc,
    })),
  );
}
