/** The closed union of everything that can go wrong in an expected way. Words for each live in report/texts/. */
import type { CacheFailure } from './failure-cache.ts';
import type { CheckoutFailure } from './failure-checkout.ts';
import type { FetchFailure } from './failure-fetch.ts';
import type { HostFailure } from './failure-host.ts';
import type { KeptView, MachineFailure } from './failure-machine.ts';
import type { PipelineFailure } from './failure-pipeline.ts';
import type { StageFailure } from './failure-stage.ts';
import type { ToolFailure } from './failure-tool.ts';
import type { UsageFailure } from './failure-usage.ts';

export type Failure = (
  | PipelineFailure
  | UsageFailure
  | CheckoutFailure
  | StageFailure
  | FetchFailure
  | MachineFailure
  | CacheFailure
  | HostFailure
  | ToolFailure
) & {
  /** The machine in which it happened, if that still runs. */
  readonly kept?: KeptView;
};

export type FailureCode = Failure['code'];
