/** `bake cache verify`: reads the cache again, says what is damaged, and with `--repair` takes that out. */
import { repairCache, type Verification, verifyCache } from '../cache/verify.ts';
import type { Host } from '../host/host.ts';
import type { Failure } from '../model/failure.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { formatSize } from '../report/format.ts';
import { jsonText } from '../report/printable.ts';
import type { Invocation } from './command.ts';

/** Exit statuses. Damage is told also when it was repaired: somebody should look at the disk. */
const FINE = 0;
const DAMAGED = 1;
const UNREADABLE = 3;
const INTERRUPTED = 130;

const PROGRESS_EVERY_MS = 2_000;
const MOST_LINES = 20;

/** The exit status says what was found: see help. */
export async function verify(
  host: Host,
  invocation: Invocation,
  directory: string,
): Promise<Result<number, Failure>> {
  const { flags, signal } = invocation;
  const sample = sampleOf(flags['sample']);
  if (!sample.ok) return sample;
  let toldMs = host.clock.monotonicMs();
  const found = await verifyCache(host, directory, {
    sample: sample.value,
    signal,
    onProgress(checked, of, bytes) {
      if (flags['json'] === true || host.clock.monotonicMs() - toldMs < PROGRESS_EVERY_MS) return;
      toldMs = host.clock.monotonicMs();
      invocation.writeError(`${checked} of ${of} files, ${formatSize(bytes)} read\n`);
    },
  });
  if (signal.aborted) return ok(INTERRUPTED);
  const isRepairing = flags['repair'] === true;
  const repaired = isRepairing ? await repairCache(host, found) : ok(undefined);
  if (!repaired.ok) return repaired;
  const isDamaged = found.damage.length > 0;
  if (flags['json'] === true)
    invocation.write(`${jsonText({ schemaVersion: 1, ...found, repaired: isRepairing && isDamaged }, 2)}\n`);
  else invocation.write(summary(found, isRepairing));
  if (isDamaged) return ok(DAMAGED);
  return ok(found.unreadable.length > 0 ? UNREADABLE : FINE);
}

function summary(
  { directory, blobs, results, damage, unreadable }: Verification,
  isRepaired: boolean,
): string {
  const lines = damage
    .slice(0, MOST_LINES)
    .map(({ what, path, problem, action }) => `${action ?? what}: ${problem}\n  ${path}\n`);
  if (damage.length > MOST_LINES) lines.push(`and ${damage.length - MOST_LINES} more\n`);
  for (const { path, errno } of unreadable.slice(0, MOST_LINES))
    lines.push(`cannot be read (${errno}): ${path}\n`);
  const some = blobs.checked < blobs.count ? ` of ${blobs.count}` : '';
  const read = `${blobs.checked}${some} files (${formatSize(blobs.checkedBytes)}) and ${results} results`;
  const verdict =
    damage.length === 0
      ? 'no damage found'
      : isRepaired
        ? `${damage.length} damaged: moved to the quarantine, or dropped; what they held is built again when it is needed`
        : `${damage.length} damaged: \`bake cache verify --repair\` takes them out`;
  return `${lines.join('')}${directory}: ${read} checked, ${verdict}\n`;
}

/** How many of so many: all, a share (`10%`), or a number. */
function sampleOf(value: Invocation['flags'][string]): Result<(count: number) => number, Failure> {
  if (typeof value !== 'string') return ok((count) => count);
  const [, number, percent] = /^(\d{1,9}(?:\.\d{1,6})?)(%?)$/.exec(value) ?? [];
  const amount = Number(number);
  const isFit = percent === '%' ? amount > 0 && amount <= 100 : Number.isInteger(amount) && amount > 0;
  if (!isFit)
    return fail({
      code: 'bad-flag-value',
      flag: '--sample',
      value,
      expected: 'a number, or a share such as 10%',
    });
  return ok((count) => (percent === '%' ? Math.ceil((count * amount) / 100) : Math.min(count, amount)));
}
