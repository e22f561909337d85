/** How much work something is: unlike the time that passes, no neighbour makes it more. */

/** Milliseconds of processor time that this process takes for `work`. */
export function processorMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
