/** The one place through which commands write: what a terminal or a job's log would obey stays behind. */
import { printable, type SinkRules, type SinkText } from '../report/printable.ts';
import type { Invocation } from './command.ts';
import { isSet, type OutputStream, wantsColour } from './stream-choice.ts';

/** What may pass to a stream of ours. */
export function sinkRules(env: Invocation['env'], stream: OutputStream): SinkRules {
  return {
    colour: wantsColour(env, stream.isTTY === true),
    workflow: ['GITHUB_ACTIONS', 'TF_BUILD', 'TEAMCITY_VERSION'].some((name) => isSet(env[name])),
  };
}

/** Writes to a stream what is left of a text after it was cleaned. */
export function cleaningSink(
  write: (text: string) => void,
  env: Invocation['env'],
  stream: OutputStream,
): (text: SinkText) => void {
  const rules = sinkRules(env, stream);
  const ownCommand = { colour: false, workflow: false };
  return (text) => {
    write(typeof text === 'string' ? printable(text, rules) : printable(text.toString(), ownCommand));
  };
}
