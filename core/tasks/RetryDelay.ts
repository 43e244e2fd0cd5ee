/**
 * How long a refused step waits before it is tried again.
 */
import type { RetryPolicy } from "../contract/Task.ts"

/** After the attempt of this number (from 0), milliseconds; nothing when the policy does not try again. */
export const retryDelayMs = (
  policy: RetryPolicy,
  attempt: number,
  lot: () => number = Math.random
): number | undefined => {
  if (policy.strategy === "none") return undefined
  const full = policy.strategy === "fixed" ? policy.base_delay_ms : policy.base_delay_ms * 2 ** Math.min(attempt, 30)
  const bounded = Math.min(full, policy.max_delay_ms)
  return Math.round(bounded * (1 - policy.jitter * lot()))
}
