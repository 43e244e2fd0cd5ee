/** How the autonomy level came to be what it is: read from the audit, which keeps every change. */
import { Effect } from "effect"
import type { AuditLog } from "../audit/AuditLog.ts"
import type { PageRequest } from "../audit/Page.ts"
import type { Autonomy } from "../contract/Enums.ts"

export interface AutonomyChange {
  readonly at: string
  readonly from: Autonomy
  readonly to: Autonomy
  readonly by: string
  readonly reason?: string
}

/** Newest first. */
export const autonomyHistory = Effect.fnUntraced(function*(audit: AuditLog["Service"], page: PageRequest) {
  const { items, ...rest } = yield* audit.page({ type: "operator.autonomy_changed" }, page)
  return {
    ...rest,
    items: items.map(({ actor, data, timestamp }): AutonomyChange => {
      const { from, reason, to } = data as Pick<AutonomyChange, "from" | "to" | "reason">
      return { at: timestamp, from, to, by: actor ?? "operator", ...(reason === undefined ? {} : { reason }) }
    })
  }
})
