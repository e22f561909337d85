/** Says how far a download is, how fast, and how long it will take. */
import type { StageContext } from '../kind.ts';

const EVERY_MS = 250;
/** How much the newest quarter of a second counts against what was before. */
const WEIGHT = 0.2;
const MIB = 2 ** 20;

/** A callback for every piece that arrives; speaks a few times a second. */
export function downloadProgress(
  name: string,
  startBytes: number,
  world: Pick<StageContext, 'host' | 'progress'>,
): (sizeBytes: number, totalBytes: number | null) => void {
  const { clock } = world.host;
  let spokenMs = clock.monotonicMs();
  let lastBytes = startBytes;
  let spoken = false;
  let rate: number | null = null;
  return (sizeBytes, totalBytes) => {
    const nowMs = clock.monotonicMs();
    const isDone = sizeBytes === totalBytes;
    // The first piece is told at once: what follows may be silence.
    if (spoken && nowMs - spokenMs < EVERY_MS && !isDone) return;
    if (spoken && nowMs > spokenMs) {
      // After a fresh start there is less than before.
      const current = Math.max(0, sizeBytes - lastBytes) / ((nowMs - spokenMs) / 1000);
      rate = rate === null ? current : rate + WEIGHT * (current - rate);
    }
    spoken = true;
    spokenMs = nowMs;
    lastBytes = sizeBytes;
    world.progress(
      `downloading ${name}: ${words(sizeBytes, totalBytes, rate)}`,
      totalBytes === null || totalBytes === 0 ? undefined : Math.min(1, sizeBytes / totalBytes),
    );
  };
}

function words(sizeBytes: number, totalBytes: number | null, rate: number | null): string {
  const size = totalBytes === null ? `${mib(sizeBytes)} MiB` : `${mib(sizeBytes)} of ${mib(totalBytes)} MiB`;
  if (rate === null) return size;
  const left = totalBytes === null || rate <= 0 ? 0 : Math.ceil((totalBytes - sizeBytes) / rate);
  return `${size}, ${mib(rate)} MiB/s${left === 0 ? '' : `, ${timeLeft(left)} left`}`;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0);
}

function timeLeft(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.ceil((seconds % 3600) / 60)} min`;
}
