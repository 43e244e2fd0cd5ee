/**
 * One trace as a tree, with times that count from its first row. Pure.
 *
 * - every event, decision, tool call, approval, task, job and reply of the answer is on it exactly once;
 * - audit rows are on it where they say what the records do not (gates, suppressions, model calls, …); that an approval
 *   was asked for is said by the approval itself, how it was decided has its own time;
 * - a field that is missing is left out, a record whose parent is missing hangs at the root.
 */
import { coloured, duration, localTime, type Paints } from "./layout.ts"
import { clipped, visible } from "../contract/Visible.ts"

/** A record of the answer of `GET /traces/{trace_id}`, not trusted to have any field. */
export type Fields = { readonly [key: string]: unknown }

interface Node {
  readonly at: number
  readonly text: string
  readonly more: ReadonlyArray<string>
  readonly children: Array<Node>
}

/** Audit types that say nothing which the records on the tree do not say. */
const told =
  /^(event\.ingested|routing\.|tool_call\.(attempted|succeeded|failed|unknown|canceled)$|response\.sent|task\.(created|started|step_started|step_succeeded|step_failed|succeeded|failed|canceled)$|worker\.job_(queued|started|progress|succeeded|failed|canceled|timed_out)$)/

export const drawTrace = (trace: Fields, paint: Paints): ReadonlyArray<string> => {
  const roots: Array<Node> = []
  const events = new Map<string, Node>()
  const calls = new Map<string, Node>()
  const tasks = new Map<string, Node>()
  const steps = new Map<string, Node>()

  for (const event of list(trace.events)) events.set(field(event, "event_id"), eventNode(event, paint))
  for (const event of list(trace.events)) {
    const node = events.get(field(event, "event_id"))
    const parent = events.get(field(event, "correlation", "parent_event_id"))
    if (node !== undefined) (parent === undefined || parent === node ? roots : parent.children).push(node)
  }
  const under = (record: Fields): Array<Node> =>
    (steps.get(field(record, "step_id")) ?? tasks.get(field(record, "task_id")) ??
      events.get(field(record, "event_id")) ??
      events.get(field(record, "trigger_event_id")))
      ?.children ?? roots

  for (const decision of list(trace.decisions)) under(decision).push(decisionNode(decision, paint))
  for (const task of list(trace.tasks)) {
    const node = taskNode(task, steps, paint)
    under({ event_id: task.trigger_event_id }).push(node)
    tasks.set(field(task, "task_id"), node)
  }
  for (const call of list(trace.tool_calls)) {
    const node = callNode(call, paint)
    under(call).push(node)
    calls.set(field(call, "tool_call_id"), node)
  }
  const asked = new Set<string>()
  for (const approval of list(trace.approvals)) {
    asked.add(field(approval, "approval_id"))
    const call = calls.get(field(approval, "tool_call_id"))
    ;(call?.children ?? under(approval)).push(approvalNode(approval, paint))
  }
  const jobs = new Map<string, Node>()
  for (const job of list(trace.jobs)) {
    const node = jobNode(job, paint)
    ;(calls.get(field(job, "tool_call_id"))?.children ?? under(job)).push(node)
    jobs.set(field(job, "job_id"), node)
  }
  const replies = list(trace.replies)
  for (const reply of replies) under(reply).push(replyNode(reply))
  for (const row of list(trace.audit)) {
    const type = field(row, "type")
    if (told.test(type) && !(replies.length === 0 && type === "response.sent")) continue
    const refs = record(row.refs)
    if (type === "gate.required" && asked.has(field(refs, "approval_id"))) continue
    const whose = jobs.get(field(refs, "job_id")) ?? calls.get(field(refs, "tool_call_id"))
    ;(whose?.children ?? under(refs)).push(auditNode(row, paint))
  }

  const first = Math.min(...flat(roots).map((node) => node.at).filter(Number.isFinite))
  const last = Math.max(...flat(roots).map((node) => node.at).filter(Number.isFinite))
  const ended = field(trace, "outcome")
  const head = [
    `trace ${field(trace, "trace_id")}`,
    ended === "" ? "" : coloured(ended, paint),
    Number.isFinite(first) ? `${localTime(new Date(first).toISOString())}, over ${duration(last - first)}` : ""
  ]
  if (trace.settled === false) head.push("still going on")
  const lines = [paint.bold(head.filter((part) => part !== "").join(" · "))]
  const cut = Array.isArray(trace.truncated) ? trace.truncated.map((name) => visible(raw(name))).join(" and ") : ""
  if (roots.length === 0) lines.push("Nothing is recorded under this trace.")
  for (const root of sorted(roots)) draw(root, "", "", first, lines, paint)
  const costs = costsLine(record(trace.costs))
  if (costs !== "") lines.push(paint.dim(costs))
  if (cut !== "") lines.push(`Not all ${cut} are shown: there are too many for one answer.`)
  return lines
}

/** What questions to models used; nothing where there were none. */
const costsLine = ({ input_tokens, output_tokens, questions, usd }: Fields): string => {
  if (typeof questions !== "number" || questions === 0) return ""
  const shown = (value: unknown): string => Number(value).toLocaleString("en")
  const cost = typeof usd === "number" ? `, $${usd.toLocaleString("en", { maximumFractionDigits: 4 })}` : ""
  return `models: ${shown(questions)} question${questions === 1 ? "" : "s"}, ${shown(input_tokens)} tokens in, ` +
    `${shown(output_tokens)} out${cost}`
}

const draw = (node: Node, lead: string, branch: string, first: number, lines: Array<string>, paint: Paints): void => {
  const since = Number.isFinite(node.at) ? duration(node.at - first) : ""
  lines.push(
    `${
      paint.dim(`${since === "" || since.startsWith("-") ? "" : "+"}${since}`.padStart(12))
    }  ${lead}${branch}${node.text}`
  )
  const deeper = lead + (branch === "" ? "" : branch === "├─ " ? "│  " : "   ")
  const bar = node.children.length > 0 ? "│  " : "   "
  for (const line of node.more) lines.push(`${" ".repeat(14)}${deeper}${bar}${paint.dim(line)}`)
  const children = sorted(node.children)
  children.forEach((child, i) => draw(child, deeper, i === children.length - 1 ? "└─ " : "├─ ", first, lines, paint))
}

const eventNode = (event: Fields, paint: Paints): Node => {
  const text = field(event, "content", "text", raw)
  const structured = record(record(event.content).structured)
  const trust = field(event, "security", "trust")
  return node(event.ingested_at, [
    paint.bold(`${field(event, "source", "channel")}/${field(event, "source", "connector_id")}`),
    text === "" ? (Object.keys(structured).length === 0 ? "" : json(structured, 160)) : `"${clipped(text, 160)}"`,
    paint.dim([trust, field(event, "event_id")].filter((part) => part !== "").join(" "))
  ])
}

const decisionNode = (decision: Fields, paint: Paints): Node => {
  const match = record(decision.match)
  const rules = Array.isArray(match.rule_ids) ? match.rule_ids : []
  const by = [
    field(match, "filter") === "" ? "" : `filter ${field(match, "filter")}`,
    ...rules.map((rule) => `rule ${raw(rule)}`),
    field(match, "fastpath") === "" ? "" : "fastpath",
    match.used_llm === true
      ? `model${decision.confidence === undefined ? "" : `, confidence ${raw(decision.confidence)}`}`
      : ""
  ].filter((part) => part !== "")
  const target = [field(decision, "intent"), field(decision, "tool")].filter((part) => part !== "")
  const notes = Array.isArray(decision.notes) ? decision.notes.map((note) => `· ${clipped(raw(note), 240)}`) : []
  return node(decision.decided_at, [
    `routing ${coloured(field(decision, "lane"), paint)}`,
    target[0] === target[1] ? target[0] ?? "" : target.join(" → "),
    by.length === 0 ? "" : paint.dim(`by ${by.map(visible).join(", ")}`)
  ], notes)
}

const callNode = (call: Fields, paint: Paints): Node => {
  const error = record(call.error)
  const attempts = Number(call.attempts)
  return node(call.created_at, [
    `tool ${paint.bold(field(call, "tool"))}`,
    coloured(field(call, "status"), paint),
    field(call, "risk") === "" ? "" : `risk ${field(call, "risk")}`,
    typeof call.latency_ms === "number" ? `took ${duration(call.latency_ms)}` : "",
    attempts > 1 ? `${attempts} attempts` : ""
  ], [
    ...(call.input === undefined ? [] : [`input ${json(call.input, 200)}`]),
    ...(call.output === undefined || call.output === null ? [] : [`output ${json(call.output, 200)}`]),
    ...errorLines(error)
  ])
}

const approvalNode = (approval: Fields, paint: Paints): Node => {
  const decision = record(approval.decision)
  const reasons = Array.isArray(approval.reasons) ? approval.reasons : []
  return node(approval.created_at, [
    ["approval", field(approval, "number")].filter((part) => part !== "").join(" "),
    coloured(field(approval, "status"), paint),
    field(decision, "by") === "" ? "" : `by ${field(decision, "by")}`,
    field(decision, "reason") === "" ? "" : `"${field(decision, "reason")}"`,
    field(decision, "by") === "" ? paint.dim(field(approval, "approval_id")) : ""
  ], [
    ...(approval.why === undefined ? [] : [clipped(raw(approval.why), 240)]),
    ...reasons.map((reason) => `· ${clipped(raw(reason), 240)}`)
  ])
}

const errorLines = (error: Fields): ReadonlyArray<string> =>
  error.message === undefined ? [] : [`error ${field(error, "code")}: ${clipped(raw(error.message), 400)}`]

const jobNode = (job: Fields, paint: Paints): Node => {
  const ran = time(job.ended_at) - time(job.started_at)
  const percent = record(job.progress).percent
  return node(job.created_at, [
    `job ${paint.bold(field(job, "kind"))}`,
    coloured(field(job, "status"), paint),
    job.status === "running" && typeof percent === "number" ? `${Math.floor(percent)} %` : "",
    field(job, "cancel_reason"),
    Number.isFinite(ran) ? `ran ${duration(ran)}` : "",
    Number(job.attempt) > 1 ? `attempt ${field(job, "attempt")} of ${field(job, "max_attempts")}` : "",
    paint.dim(field(job, "job_id"))
  ], [
    ...(job.output === undefined || job.output === null ? [] : [`output ${json(job.output, 200)}`]),
    ...errorLines(record(job.error))
  ])
}

/** A task with its steps under it; `steps` gets the nodes of those by their ids. */
const taskNode = (task: Fields, steps: Map<string, Node>, paint: Paints): Node => {
  const wait = field(task, "waits_for")
  const made = node(task.created_at, [
    ["task", field(task, "name") === "" ? "" : `"${field(task, "name")}"`].filter((part) => part !== "").join(" "),
    coloured(field(task, "status"), paint),
    wait === "" || wait === "pause" ? "" : `for ${wait}`,
    field(task, "cancel_reason"),
    paint.dim(field(task, "task_id"))
  ], errorLines(record(task.error)))
  for (const step of list(task.steps)) {
    const ran = time(step.ended_at) - time(step.started_at)
    const attempt = Number(step.attempt)
    // One that has not begun has no time, and so comes after those that have.
    const own = node(step.started_at, [
      `step ${field(step, "name")}`,
      coloured(field(step, "status"), paint),
      Number.isFinite(ran) ? `took ${duration(ran)}` : "",
      attempt > 0 ? `attempt ${attempt + 1} of ${field(step, "max_attempts")}` : ""
    ], errorLines(record(step.error)))
    if (field(step, "step_id") !== "") steps.set(field(step, "step_id"), own)
    made.children.push(own)
  }
  return made
}

/** What of a reply is not simply that it was sent. */
const standing = (reply: Fields): string => {
  switch (raw(reply.status)) {
    case "owed":
      return "waits"
    case "not_sent":
      return "was not sent"
    case "unknown":
      return "nobody knows whether it was sent"
    default:
      return ""
  }
}

const replyNode = (reply: Fields): Node =>
  node(reply.at, [`reply ${field(reply, "channel")}`, `"${clipped(raw(reply.text), 400)}"`, standing(reply)])

const auditNode = (row: Fields, paint: Paints): Node => {
  const reasons = record(row.data).reasons
  return node(row.timestamp, [
    row.outcome === "failure" ? paint.red(field(row, "type")) : paint.yellow(field(row, "type")),
    clipped(raw(row.summary), 240)
  ], Array.isArray(reasons) ? reasons.map((reason) => `· ${clipped(raw(reason), 240)}`) : [])
}

const node = (at: unknown, parts: ReadonlyArray<string>, more: ReadonlyArray<string> = []): Node => ({
  at: time(at),
  text: parts.filter((part) => part !== "").join("  "),
  more,
  children: []
})

// A record without a time of its own comes last among its siblings.
const sorted = (nodes: ReadonlyArray<Node>): ReadonlyArray<Node> =>
  nodes.toSorted((a, b) => (Number.isFinite(a.at) ? a.at : Infinity) - (Number.isFinite(b.at) ? b.at : Infinity) || 0)

const flat = (nodes: ReadonlyArray<Node>): ReadonlyArray<Node> => nodes.flatMap((one) => [one, ...flat(one.children)])
const time = (value: unknown): number => typeof value === "string" ? Date.parse(value) : Number.NaN
const raw = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value) ?? ""
const json = (value: unknown, length: number): string => clipped(JSON.stringify(value) ?? "", length)
const record = (value: unknown): Fields => typeof value === "object" && value !== null ? value as Fields : {}
const list = (value: unknown): ReadonlyArray<Fields> => Array.isArray(value) ? value.map(record) : []

const field = (from: Fields, ...path: ReadonlyArray<string | ((value: unknown) => string)>): string => {
  let value: unknown = from
  for (const key of path) if (typeof key === "string") value = record(value)[key]
  if (value === undefined || value === null) return ""
  return path.at(-1) === raw ? raw(value) : clipped(raw(value), 200)
}
