/** Events handed to one function per type, so that a reporter reads as a table and misses none. */
import type { Event } from '../model/event.ts';

export type EventOf<T extends Event['type']> = Extract<Event, { readonly type: T }>;

export type Handlers = { readonly [T in Event['type']]: (event: EventOf<T>) => void };

/** Calls the handler of the event's type. */
export function dispatch(handlers: Handlers, event: Event): void {
  // Each handler takes the event of its own type; the type checker cannot follow that through an index.
  const handle = handlers[event.type] as (event: Event) => void;
  handle(event);
}
