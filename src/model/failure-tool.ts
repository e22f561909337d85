/** A tool that stages need is not on this host: found before anything runs, exit status 3. */
import type { Location } from './location.ts';

export type ToolFailure = {
  readonly code: 'tool-missing';
  readonly tool: string;
  /** The Debian package that has it, where known. */
  readonly package: string | null;
  readonly stages: readonly string[];
  readonly location: Location;
};
