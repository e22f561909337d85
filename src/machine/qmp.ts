/** QEMU's machine protocol: JSON lines over a socket; commands with answers, and events. */
import type { Connection } from '../host/sockets.ts';
import type { JsonValue } from '../model/json.ts';
import { fail, ok, type Result } from '../model/result.ts';

export interface QmpEvent {
  readonly event: string;
  readonly data: { readonly [name: string]: JsonValue };
}

export interface Qmp {
  /** The answer's `return` value, or what QEMU says is wrong; also a failure when the machine ends before it answers. */
  command(
    name: string,
    parameters?: { readonly [name: string]: JsonValue },
  ): Promise<Result<JsonValue, string>>;
  onEvent(listener: (event: QmpEvent) => void): void;
  /** QEMU's version, such as `7.2.22`. */
  readonly version: string;
  close(): void;
}

interface Message {
  readonly QMP?: {
    readonly version: {
      readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number };
    };
  };
  readonly id?: number;
  readonly return?: JsonValue;
  readonly error?: { readonly desc: string };
  readonly event?: string;
  readonly data?: { readonly [name: string]: JsonValue };
}

/** Speaks QMP over a connection that QEMU has opened: waits for the greeting and leaves the negotiation behind. */
export async function openQmp(connection: Connection): Promise<Result<Qmp, string>> {
  const waiting = new Map<number, (answer: Result<JsonValue, string>) => void>();
  const listeners: ((event: QmpEvent) => void)[] = [];
  let lastId = 0;
  let greet: (version: string) => void = () => {};
  const greeting = new Promise<string>((resolve) => {
    greet = resolve;
  });
  const gone = connection.closed.then(() => {
    for (const answer of waiting.values()) answer(fail('the machine ended'));
    waiting.clear();
    return null;
  });

  connection.onLine((line) => {
    const message = parse(line);
    if (message?.QMP) greet(versionOf(message.QMP.version.qemu));
    else if (message?.event !== undefined)
      for (const listener of listeners) listener({ event: message.event, data: message.data ?? {} });
    else if (message?.id !== undefined) {
      const answer = waiting.get(message.id);
      waiting.delete(message.id);
      answer?.(message.error ? fail(message.error.desc) : ok(message.return ?? null));
    }
  });

  const command: Qmp['command'] = (name, parameters) =>
    new Promise((resolve) => {
      lastId += 1;
      const id = lastId;
      waiting.set(id, resolve);
      void gone.then(() => resolve(fail('the machine ended')));
      connection.write(
        `${JSON.stringify({ execute: name, id, ...(parameters ? { arguments: parameters } : {}) })}\n`,
      );
    });

  const version = await Promise.race([greeting, gone]);
  if (version === null) return fail('the machine ended');
  const negotiated = await command('qmp_capabilities');
  if (!negotiated.ok) return negotiated;
  return ok({
    command,
    version,
    onEvent: (listener) => {
      listeners.push(listener);
    },
    close: () => connection.close(),
  });
}

function parse(line: string): Message | null {
  try {
    return JSON.parse(line) as Message;
  } catch {
    return null;
  }
}

function versionOf(qemu: { readonly major: number; readonly minor: number; readonly micro: number }): string {
  return `${qemu.major}.${qemu.minor}.${qemu.micro}`;
}
