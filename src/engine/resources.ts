/** Hands out what the host has to offer, processor slots, memory and KVM, to the most urgent who can use it. */
import type { Resources } from '../model/plan.ts';

interface Waiting {
  readonly wants: Resources;
  readonly urgency: number;
  readonly start: () => void;
}

export class ResourcePool {
  readonly #total: { readonly cpu: number; readonly memoryBytes: number };
  #cpu: number;
  #memory: number;
  #kvm = true;
  #running = 0;
  #queue: Waiting[] = [];

  constructor(cpu: number, memoryBytes: number) {
    this.#total = { cpu, memoryBytes };
    this.#cpu = cpu;
    this.#memory = memoryBytes;
  }

  /** What keeps a claim waiting now; null when it would be granted. */
  lacks(wants: Resources): 'cpu' | 'memory' | 'kvm' | null {
    const { cpu, memoryBytes } = this.#within(wants);
    if (wants.kvm && !this.#kvm) return 'kvm';
    if (memoryBytes > this.#memory) return 'memory';
    return cpu > this.#cpu ? 'cpu' : null;
  }

  /**
   * Waits for resources; the most urgent first, and no smaller claim overtakes it. One that asks for more than there is
   * gets all, and so runs alone. Resolves to a function that gives them back, or to null when `signal` fires first.
   */
  claim(wants: Resources, urgency: number, signal: AbortSignal): Promise<(() => void) | null> {
    return new Promise((resolve) => {
      if (signal.aborted) {
        resolve(null);
        return;
      }
      if (this.#queue.length === 0 && this.#isFree(wants)) {
        resolve(this.#take(wants));
        return;
      }
      const give = () => {
        signal.removeEventListener('abort', leave);
        resolve(this.#take(wants));
      };
      const waiting: Waiting = { wants, urgency, start: give };
      const leave = () => {
        this.#queue = this.#queue.filter((other) => other !== waiting);
        resolve(null);
      };
      signal.addEventListener('abort', leave, { once: true });
      const at = this.#queue.findIndex((other) => other.urgency < urgency);
      this.#queue.splice(at < 0 ? this.#queue.length : at, 0, waiting);
      this.#serve();
    });
  }

  #within(wants: Resources): { readonly cpu: number; readonly memoryBytes: number } {
    return {
      cpu: Math.min(wants.cpu, this.#total.cpu),
      memoryBytes: Math.min(wants.memoryBytes, this.#total.memoryBytes),
    };
  }

  #isFree(wants: Resources): boolean {
    return this.#running === 0 || this.lacks(wants) === null;
  }

  #take(wants: Resources): () => void {
    const { cpu, memoryBytes } = this.#within(wants);
    this.#cpu -= cpu;
    this.#memory -= memoryBytes;
    if (wants.kvm) this.#kvm = false;
    this.#running++;
    return () => {
      this.#cpu += cpu;
      this.#memory += memoryBytes;
      if (wants.kvm) this.#kvm = true;
      this.#running--;
      this.#serve();
    };
  }

  #serve(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (!this.#isFree(next.wants)) return;
      this.#queue.shift();
      next.start();
    }
  }
}
