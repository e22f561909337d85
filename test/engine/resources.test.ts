/** The pool of resources: nobody gets more than there is, the urgent go first, the greedy run alone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ResourcePool } from '../../src/engine/resources.ts';

const never = new AbortController().signal;
const one = { cpu: 1, memoryBytes: 0, kvm: false };

describe('the pool of resources', () => {
  it('lets at most as many run as there are slots, the most urgent first', async () => {
    const pool = new ResourcePool(1, 100);
    const order: string[] = [];
    const first = (await pool.claim(one, 0, never)) as () => void;
    const waiting = (
      [
        ['low', 1],
        ['high', 5],
        ['middle', 3],
      ] as const
    ).map(async ([name, urgency]) => {
      const release = (await pool.claim(one, urgency, never)) as () => void;
      order.push(name);
      release();
    });
    first();
    await Promise.all(waiting);
    expect(order).toEqual(['high', 'middle', 'low']);
  });

  it('lets one that wants more than there is run, alone', async () => {
    const pool = new ResourcePool(2, 100);
    const release = (await pool.claim({ cpu: 9, memoryBytes: 1000, kvm: false }, 0, never)) as () => void;
    expect(pool.lacks(one)).toBe('cpu');
    release();
    expect(pool.lacks(one)).toBeNull();
  });

  it('gives KVM to one at a time', async () => {
    const pool = new ResourcePool(2, 100);
    const release = (await pool.claim({ ...one, kvm: true }, 0, never)) as () => void;
    expect(pool.lacks({ ...one, kvm: true })).toBe('kvm');
    release();
    expect(pool.lacks({ ...one, kvm: true })).toBeNull();
  });

  it('forgets a claim whose run was stopped', async () => {
    const pool = new ResourcePool(1, 100);
    const release = (await pool.claim(one, 0, never)) as () => void;
    const stop = new AbortController();
    const stopped = pool.claim(one, 9, stop.signal);
    const next = pool.claim(one, 1, never);
    stop.abort();
    expect(await stopped).toBeNull();
    release();
    expect(await next).not.toBeNull();
  });

  it('never hands out more than it has, and comes to an end, whatever is claimed', async () => {
    const claim = fc.record({
      cpu: fc.integer({ min: 1, max: 6 }),
      memoryBytes: fc.nat(150),
      kvm: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(claim, { maxLength: 20 }), async (claims) => {
        const pool = new ResourcePool(4, 100);
        let cpu = 0;
        let memory = 0;
        let kvm = 0;
        await Promise.all(
          claims.map(async (wants) => {
            const release = (await pool.claim(wants, 0, never)) as () => void;
            const took = { cpu: Math.min(4, wants.cpu), memory: Math.min(100, wants.memoryBytes) };
            cpu += took.cpu;
            memory += took.memory;
            kvm += wants.kvm ? 1 : 0;
            expect(cpu).toBeLessThanOrEqual(4);
            expect(memory).toBeLessThanOrEqual(100);
            expect(kvm).toBeLessThanOrEqual(1);
            await Promise.resolve();
            cpu -= took.cpu;
            memory -= took.memory;
            kvm -= wants.kvm ? 1 : 0;
            release();
          }),
        );
      }),
    );
  });
});
