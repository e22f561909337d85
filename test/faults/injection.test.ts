/** Faults at every operation: whichever file-system or process operation of a flow fails, or the process dies there, nothing wrong is stored or placed, nothing of the user's is lost, and the next run puts everything right. */
import { expect, test } from 'vitest';
import { type Fault, FaultCheckout, FLOWS } from './flows.ts';

const FAULTS: readonly Fault[] = ['kill', 'EIO', 'EACCES', 'EMFILE', 'ENOSPC+', 'EDQUOT+'];
/** Points for each flow and fault: `FAULTS=all` strikes every operation, `FAULTS=n` so many of them. */
const wished = process.env['FAULTS'] ?? '3';
const isLong = process.env['FAULTS'] !== undefined;

/** Points after which the cache is emptied: it grows with each edit. */
const RENEWED_AFTER = 16;

const cases = FLOWS.flatMap((flow) =>
  FAULTS.map((fault) => ({ flow, fault, title: `${flow.name}, ${fault}` })),
);

test.each(cases)(
  '$title: right bytes or a failure, and the next run is right',
  { timeout: isLong ? 3_600_000 : 120_000 },
  async ({ flow, fault }) => {
    using checkout = await FaultCheckout.make(flow.scene);
    const count = checkout.count(flow, fault);
    const many = wished === 'all' ? count : Math.min(count, Math.max(2, Number(wished)));
    // Spread over the whole flow, its first and its last operation among them.
    const points = Array.from({ length: many }, (_, at) => 1 + Math.round((at * (count - 1)) / (many - 1)));
    const problems = points.flatMap((at, index) => {
      if (index % RENEWED_AFTER === RENEWED_AFTER - 1) checkout.renew();
      return checkout.strike(flow, fault, at).map((problem) => `operation ${at} of ${count}: ${problem}`);
    });
    if (isLong) console.log(`${flow.name}, ${fault}: ${points.length} points, ${problems.length} problems`);
    expect(points.length).toBeGreaterThan(0);
    expect(problems).toEqual([]);
  },
);
