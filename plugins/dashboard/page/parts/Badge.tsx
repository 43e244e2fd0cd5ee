/** Words with a tone: what a colour says, the word says, too. */
import type { AuditOutcome, Health, Risk, Trust } from "syris/records"

export type Tone = "plain" | "good" | "busy" | "warn" | "bad"

export const Badge = ({ children, tone = "plain" }: { readonly children: string; readonly tone?: Tone }) => (
  <span className={`badge badge-${tone}`}>{children}</span>
)

const risks: Readonly<Record<Risk, Tone>> = { low: "plain", medium: "warn", high: "bad", critical: "bad" }
export const RiskBadge = ({ risk }: { readonly risk: Risk }) => <Badge tone={risks[risk]}>{`${risk} risk`}</Badge>

const outcomes: Readonly<Record<AuditOutcome, Tone>> = {
  success: "good",
  failure: "bad",
  suppressed: "warn",
  info: "plain"
}
export const OutcomeBadge = ({ outcome }: { readonly outcome: AuditOutcome }) => (
  <Badge tone={outcomes[outcome]}>{outcome}</Badge>
)

const healths: Readonly<Record<Health, Tone>> = { healthy: "good", degraded: "warn", down: "bad" }
export const HealthBadge = ({ health }: { readonly health: Health }) => <Badge tone={healths[health]}>{health}</Badge>

const trusts: Readonly<Record<Trust, Tone>> = { operator: "good", trusted: "plain", untrusted: "warn" }
export const TrustBadge = ({ trust }: { readonly trust: Trust }) => <Badge tone={trusts[trust]}>{trust}</Badge>

/** Of approvals, calls, tasks, steps, jobs, alarms, traces and slots. */
const states: Readonly<Record<string, Tone>> = {
  succeeded: "good",
  fired: "good",
  approved: "good",
  consumed: "good",
  sent: "good",
  resolved: "good",
  running: "busy",
  attempted: "busy",
  starting: "busy",
  pending: "warn",
  waiting: "warn",
  queued: "plain",
  paused: "warn",
  unknown: "bad",
  failed: "bad",
  timed_out: "bad",
  missed: "warn",
  open: "bad",
  acked: "warn",
  held: "warn",
  owed: "warn",
  not_sent: "bad"
}
export const StatusBadge = ({ status }: { readonly status: string }) => (
  <Badge tone={states[status] ?? "plain"}>{status.replaceAll("_", " ")}</Badge>
)
