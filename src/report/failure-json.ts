/** A failure as programs get it: its code, its own facts, and the words a person would have read. */
import type { Failure } from '../model/failure.ts';
import type { JsonObject } from '../model/json.ts';
import { textOf } from './failures.ts';

/** `{code, message, hint, …facts}`: `code` is permanent, the words are not. */
export function failureJson(failure: Failure): JsonObject {
  const text = textOf(failure);
  const facts = JSON.parse(JSON.stringify(failure)) as JsonObject;
  return { ...facts, code: failure.code, message: text.summary, hint: text.hint ?? null };
}
