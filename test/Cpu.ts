/**
 * What this thread has computed, in milliseconds: the bound of a test on its own work, which others on the machine don't make
 * longer.
 */
export const computedMs = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (user + system) / 1_000
}
