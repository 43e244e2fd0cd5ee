/**
 * What the host's own tools for rules need of the host: they are set up before it is, so it is handed over once it is up.
 */
import { Context, type Effect, Layer } from "effect"
import type { AuditRow, Fact } from "../audit/Audit.ts"
import { ToolRefused } from "../plugin/Tool.ts"
import type { LiveRule } from "./LiveRule.ts"
import type { GradedRule, RuleRefused } from "./RuleStore.ts"

export interface Desk {
  /** All rules that this host knows, in the order in which they are looked at. */
  readonly rules: () => ReadonlyArray<LiveRule>
  /** Checks a rule in the shape of HTTP. */
  readonly read: (body: unknown) => Effect.Effect<GradedRule, RuleRefused>
  readonly row: (fact: Fact) => AuditRow
}

export class RuleDesk extends Context.Service<RuleDesk, {
  readonly open: (desk: Desk) => void
  /** Throws what refuses a call where the host is not up yet. */
  readonly desk: () => Desk
}>()("syris/rules/RuleDesk") {
  static readonly layer = Layer.sync(RuleDesk, () => {
    let opened: Desk | undefined
    return {
      open: (desk) => {
        opened = desk
      },
      desk: () => {
        if (opened === undefined) throw new ToolRefused("The host is not up yet: try again in a moment.")
        return opened
      }
    }
  })
}
