/** Chooses who tells the user about a run: by flags, by where the output goes, and by what the environment asks for. */

import { resolve } from 'node:path';
import type { Host } from '../host/host.ts';
import type { Event, Reporter } from '../model/event.ts';
import type { Verbosity } from '../report/plain.ts';
import { plainReporter } from '../report/plain.ts';
import type { RenderSettings } from '../report/render-failure.ts';
import { renderWarning } from '../report/render-failure.ts';
import type { Terminal } from '../report/terminal.ts';
import type { Invocation } from './command.ts';
import { aboveQuestion } from './question.ts';
import type { OutputStream } from './stream-choice.ts';
import { chooseReporter, isSet, styleOf, wantsUnicode } from './stream-choice.ts';

function verbosityOf(flags: Invocation['flags']): Verbosity {
  if (flags['quiet'] === true) return 'quiet';
  return flags['verbose'] === true ? 'verbose' : 'normal';
}

/** How failures are written to a stream of ours, standard error unless said otherwise. */
export function renderSettingsOf(
  env: Invocation['env'],
  stream: OutputStream = process.stderr,
): RenderSettings {
  const isTty = stream.isTTY === true;
  return {
    style: styleOf(env, stream),
    columns: Math.max(40, stream.columns || 100),
    unicode: wantsUnicode(env, isTty),
  };
}

/**
 * The reporter of a run; `--trace` adds a second listener. The view for terminals, and with it listr2, is loaded only
 * when it is chosen.
 */
export async function makeReporter(
  invocation: Invocation,
  host: Host,
  stream: OutputStream = process.stdout,
): Promise<Reporter> {
  const { flags, env } = invocation;
  const isTty = stream.isTTY === true;
  const terminal: Terminal = {
    write: (text) => aboveQuestion(() => invocation.write(text)),
    columns: () => stream.columns || (isTty ? 80 : 100),
    rows: () => stream.rows || 24,
    style: styleOf(env, stream),
    unicode: wantsUnicode(env, isTty),
  };
  const main = await makeMainReporter(invocation, host, terminal, stream);
  const traceFile = flags['trace'];
  if (typeof traceFile !== 'string') return main;
  const { traceReporter } = await import('../report/trace.ts');
  const trace = traceReporter(
    () => host.clock.nowMs(),
    (json) => save(invocation, host, traceFile, json),
  );
  return both(main, trace);
}

async function makeMainReporter(
  invocation: Invocation,
  host: Host,
  terminal: Terminal,
  stream: OutputStream,
): Promise<Reporter> {
  const { flags, env, signal } = invocation;
  const now = () => host.clock.nowMs();
  switch (chooseReporter(flags, env, stream)) {
    case 'json': {
      const { jsonReporter } = await import('../report/json.ts');
      return jsonReporter(terminal.write);
    }
    case 'live': {
      const { liveReporter } = await import('../report/live.ts');
      return liveReporter({ terminal, stdout: process.stdout, stderr: process.stderr, now, signal });
    }
    case 'plain': {
      const summaryFile = env['GITHUB_STEP_SUMMARY'];
      return plainReporter({
        terminal,
        verbosity: verbosityOf(flags),
        github: isSet(env['GITHUB_ACTIONS']),
        now,
        appendStepSummary: summaryFile ? (text) => append(invocation, host, summaryFile, text) : null,
      });
    }
  }
}

/** Two listeners as one. */
function both(first: Reporter, second: Reporter): Reporter {
  return {
    on(event: Event) {
      first.on(event);
      second.on(event);
    },
    async close() {
      await first.close();
      await second.close();
    },
  };
}

async function save(invocation: Invocation, host: Host, file: string, text: string): Promise<void> {
  complain(invocation, await host.files.replaceFile(resolve(invocation.cwd, file), text));
}

async function append(invocation: Invocation, host: Host, file: string, text: string): Promise<void> {
  complain(invocation, await host.files.appendFile(resolve(invocation.cwd, file), text, { follow: true }));
}

/** A report that cannot be written fails no build: it is said. */
function complain(invocation: Invocation, result: Awaited<ReturnType<Host['files']['replaceFile']>>): void {
  if (!result.ok) invocation.writeError(renderWarning(result.failure, renderSettingsOf(invocation.env)));
}
