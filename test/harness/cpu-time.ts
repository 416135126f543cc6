/** What of the processor work takes, which says more than the clock does where other processes run beside it. */

/** Ms that this process computes while `work` runs. */
export function cpuMsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
