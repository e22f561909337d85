/** A clock that stands while a guest does. */
import { expect, test } from 'vitest';
import type { Clock } from '../../src/host/host.ts';
import { guestClock } from '../../src/machine/guest-clock.ts';

const NEVER = new AbortController().signal;

/** A clock that goes on only while somebody sleeps; `onSleep` is told the time before. */
function steppedClock(onSleep: (nowMs: number) => void): Clock {
  let nowMs = 0;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    async sleep(ms) {
      onSleep(nowMs);
      nowMs += ms;
    },
  };
}

test('a guest that was paused has all of its time', async () => {
  const clock = steppedClock((nowMs) => {
    if (nowMs >= 1_000 && nowMs < 5_000) guest.stand();
    else guest.goOn();
  });
  const guest = guestClock(clock);
  await guest.sleep(1_000, NEVER);
  expect(clock.monotonicMs()).toBe(1_000);
  await guest.sleep(1_000, NEVER);
  expect(clock.monotonicMs()).toBeGreaterThanOrEqual(6_000);
  expect(clock.monotonicMs()).toBeLessThan(8_000);
});

test('a sleep ends early, and does not begin, when it is told to', async () => {
  const stop = new AbortController();
  const clock = steppedClock(() => stop.abort());
  await guestClock(clock).sleep(60_000, stop.signal);
  const later = clock.monotonicMs();
  await guestClock(clock).sleep(60_000, stop.signal);
  expect(clock.monotonicMs()).toBe(later);
});
