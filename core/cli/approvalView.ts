/**
 * One approval for a person: the exact input that will run, what the tool says of it, why it asks, how to decide. Pure.
 */
import type { Approval } from "../contract/Approval.ts"
import { coloured, duration, localTime, type Paints, table } from "./layout.ts"
import { clipped, visible, visibleJson, visibleLines } from "../contract/Visible.ts"

interface Drawing {
  readonly now: number
  readonly paint: Paints
  /** How the operator calls a command. */
  readonly say: (...args: ReadonlyArray<string>) => string
}

/** Until it expires; `no time` where that is over. */
export const leftOf = ({ expires_at }: Approval, now: number): string => {
  const left = Date.parse(expires_at) - now
  return left > 0 ? duration(left) : "no time"
}

export const drawApproval = (approval: Approval, { now, paint, say }: Drawing): ReadonlyArray<string> => {
  const { decision, labels, number, preview, status } = approval
  const pending = status === "pending"
  const about = [
    `asked ${localTime(visible(approval.created_at))}, ${
      duration(Math.max(0, now - Date.parse(approval.created_at)))
    } ago`,
    pending ? `expires in ${leftOf(approval, now)}` : "",
    `autonomy ${visible(approval.autonomy)}`,
    `${visible(labels.trust)}, ${visible(labels.confidentiality)}`,
    `trace ${visible(approval.trace_id)}`
  ]
  const lines = [
    `${paint.bold(`approval ${number}`)}  ${paint.bold(clipped(approval.tool, 100))}  risk ${visible(approval.risk)}  ${
      coloured(visible(status), paint)
    }`,
    paint.dim(about.filter((part) => part !== "").join(" · ")),
    ...(approval.supersedes === undefined ? [] : [`in the place of approval ${visible(approval.supersedes)}`]),
    clipped(approval.why, 1_000),
    ...approval.reasons.map((reason) => paint.dim(`  · ${clipped(reason, 400)}`)),
    ...(preview === undefined
      ? []
      : ["", "What the tool says of it:", ...visibleLines(preview).map((line) => `  ${line}`)]),
    "",
    "What will run, exactly:",
    ...visibleJson(approval.what, 2).split("\n").map((line) => `  ${line}`)
  ]
  if (decision !== undefined) {
    const because = decision.reason === undefined ? "" : `: ${clipped(decision.reason, 1_000)}`
    lines.push("", `Decided by ${clipped(decision.by, 100)}, ${localTime(visible(decision.at))}${because}`)
  }
  if (!pending) return lines
  const id = String(number)
  const can = [
    [say("approve", id), "let exactly this run, once"],
    [say("approve", id, "--always"), "and do not ask for its like again"],
    [say("deny", id), "it will not run"],
    [say("edit", id, "'{ … }'"), "ask for another input instead"]
  ] as const
  return [...lines, "", "How to decide:", ...table(can.map(([command, does]) => [`  ${command}`, paint.dim(does)]))]
}
