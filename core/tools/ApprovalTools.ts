/**
 * Approvals by word of mouth: "approvals", "show 1", "approve 1 and 2", "deny 2 because …". The operator's alone, and not
 * gated: what is decided is what was shown under that number, which is never used again.
 */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { toRow } from "../audit/Audit.ts"
import { brief } from "../contract/words/Brief.ts"
import { version } from "../health/Version.ts"
import { forOperatorOnly } from "../plugin/OperatorOnly.ts"
import { definePlugin, type Intent } from "../plugin/Plugin.ts"
import { defineTool, ToolRefused } from "../plugin/Tool.ts"
import { approve, deny, type Word } from "./ApprovalMoves.ts"
import { sentence } from "../plugin/Sentence.ts"

interface Waiting {
  readonly number: number
  readonly tool: string
  readonly risk: string
  readonly what: unknown
  readonly preview: string | null
  readonly why: string
  readonly left_s: number
}

/** Approvals in one answer. */
const most = 20

const pending = Effect.fnUntraced(function*(number?: number) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Omit<Waiting, "number"> & { readonly number: bigint }>`
    select number, tool, risk, what, preview, why,
           floor(extract(epoch from expires_at - clock_timestamp()))::int as left_s
    from approvals
    where status = 'pending' and expires_at > clock_timestamp()
      and ${number === undefined ? sql`true` : sql`number = ${number}`}
    order by approval_id
    limit ${most + 1}`
  return rows.map((row): Waiting => ({ ...row, number: Number(row.number) }))
})

const left = (seconds: number): string =>
  seconds >= 120 ? `${Math.floor(seconds / 60)} minutes left` : `${Math.max(0, seconds)} seconds left`

const line = ({ left_s, number, preview, risk, tool, what }: Waiting): string =>
  `${number}: ${tool}, ${preview ?? brief(what, 200)} (risk ${risk}, ${left(left_s)})`

const listed = (rows: ReadonlyArray<Waiting>): string =>
  rows.length === 0
    ? "Nothing waits for your yes."
    : [
      `${rows.length > most ? `More than ${most}` : rows.length} ${rows.length === 1 ? "waits" : "wait"} for your yes:`,
      ...rows.slice(0, most).map(line)
    ].join("\n")

/** The one that is meant where no number was said: the only one, and it came up in the conversation that speaks of it. */
const theOnly = Effect.fnUntraced(function*(trace_id: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* pending()
  const [only] = rows
  if (only === undefined) return yield* Effect.fail(new ToolRefused("Nothing waits for your yes."))
  if (rows.length > 1) return yield* Effect.fail(new ToolRefused(`Which one? ${listed(rows)}`))
  const [same] = yield* sql`
    select 1
    from approvals a join events asked on asked.event_id = a.event_id
         join events said on said.trace_id = ${trace_id}::uuid and said.parent_event_id is null
    where a.number = ${only.number} and asked.trust = 'operator' and asked.channel = said.channel and asked.thread_id is not distinct from said.thread_id`
  if (same !== undefined) return only.number
  return yield* Effect.fail(
    new ToolRefused(`That did not come up in this conversation: say its number, if you mean it. ${listed(rows)}`)
  )
})

const Numbers = Schema.Array(Schema.Int.check(Schema.isGreaterThan(0))).check(Schema.isMaxLength(most))
const Reason = Schema.String.check(Schema.isMaxLength(1_000))
const Said = Schema.Struct({ message: Schema.String })

const wordOf = (at: Date, reason?: string): Word => ({
  by: "operator (chat)",
  at,
  rowOf: toRow,
  ...(reason === undefined ? {} : { reason })
})

/** Decides each; what can't be decided is said, and the others are. */
const each = Effect.fnUntraced(function*<E, R>(
  given: ReadonlyArray<number>,
  trace_id: string,
  decide: (number: number) => Effect.Effect<string, E, R>
) {
  const numbers = given.length === 0 ? [yield* theOnly(trace_id)] : [...new Set(given)]
  const said: Array<string> = []
  let done = 0
  for (const number of numbers) {
    const one = yield* Effect.result(decide(number))
    if (one._tag === "Success") done++
    said.push(
      one._tag === "Success" ? one.success : one.failure instanceof Error ? one.failure.message : String(one.failure)
    )
  }
  return done === 0 ? yield* Effect.fail(new ToolRefused(said.join(" "))) : { message: said.join(" ") }
})

const list = defineTool({
  name: "approval.list",
  description: "Say what waits for the operator's yes.",
  input: Schema.Struct({}),
  output: Said,
  effect: "read",
  risk: "low",
  scopes: ["approvals"],
  guarantee: "transactional",
  run: () => Effect.map(pending(), (rows) => ({ message: listed(rows) }))
})

const show = defineTool({
  name: "approval.show",
  description: "Show one approval with all that is known of it.",
  input: Schema.Struct({ number: Schema.optionalKey(Schema.Int) }),
  output: Said,
  effect: "read",
  risk: "low",
  scopes: ["approvals"],
  guarantee: "transactional",
  run: ({ number }, ctx) =>
    Effect.gen(function*() {
      const [one] = yield* pending(number ?? (yield* theOnly(ctx.traceId)))
      if (one === undefined) return yield* Effect.fail(new ToolRefused(`No approval ${number} is pending.`))
      return {
        message: [
          `${one.number}: ${one.tool}, risk ${one.risk}, ${left(one.left_s)}.`,
          ...(one.preview === null ? [] : [one.preview]),
          `Input: ${brief(one.what, 3_000)}`,
          one.why,
          `Say "approve ${one.number}" or "deny ${one.number}".`
        ].join("\n")
      }
    })
})

const yes = defineTool({
  name: "approval.approve",
  description: "Let what waits run, exactly as it was shown, once.",
  input: Schema.Struct({ numbers: Schema.optionalKey(Numbers) }),
  output: Said,
  effect: "write",
  risk: "low",
  scopes: ["approvals"],
  guarantee: "transactional",
  run: ({ numbers = [] }, ctx) =>
    each(numbers, ctx.traceId, (number) =>
      Effect.map(
        approve({ number }, wordOf(ctx.now())),
        (done) => done.void ?? `Approved ${number}: ${done.approval.tool}.`
      ))
})

const no = defineTool({
  name: "approval.deny",
  description: "Refuse what waits: it does not run.",
  input: Schema.Struct({ numbers: Schema.optionalKey(Numbers), reason: Schema.optionalKey(Reason) }),
  output: Said,
  effect: "write",
  risk: "low",
  scopes: ["approvals"],
  guarantee: "transactional",
  run: ({ numbers = [], reason }, ctx) =>
    each(
      numbers,
      ctx.traceId,
      (number) => Effect.map(deny({ number }, wordOf(ctx.now(), reason)), ({ tool }) => `Denied ${number}: ${tool}.`)
    )
})

const several = "(?<numbers>#?[0-9]{1,15}(?:(?:,? and |,| )\\s*#?[0-9]{1,15})*)"
const numbersOf = (text: string | undefined): ReadonlyArray<number> =>
  Array.from((text ?? "").matchAll(/\d+/g), ([digits]) => Number(digits))

const input = ({ numbers, reason }: Record<string, string | undefined>) => ({
  numbers: numbersOf(numbers),
  ...(reason === undefined ? {} : { reason: reason.trim() })
})

const sentences: ReadonlyArray<Intent> = [
  {
    name: "approval.approve",
    tool: "approval.approve",
    input: ({ numbers }) => ({ numbers: numbersOf(numbers) }),
    patterns: [
      sentence("approve(?: it| that)?"),
      sentence(`(?:yes,? )?approve (?:number |approval |approvals )?${several}`)
    ]
  },
  {
    name: "approval.deny",
    tool: "approval.deny",
    input,
    patterns: [
      sentence("(?:deny|reject)(?: it| that)?"),
      sentence(`(?:no,? )?(?:deny|reject) (?:number |approval |approvals )?${several}`),
      sentence(
        `(?:no,? )?(?:deny|reject)(?: (?:number |approval |approvals )?${several})?(?:,? because|:) (?<reason>.+?)`
      )
    ]
  },
  {
    name: "approval.show",
    tool: "approval.show",
    input: ({ number }) => number === undefined ? {} : { number: Number(number) },
    patterns: [
      sentence("show(?: me)? (?:number |approval )?#?(?<number>[0-9]{1,15})"),
      sentence("(?:what is|show(?: me)?) (?:the |this )?approval(?: #?(?<number>[0-9]{1,15}))?")
    ]
  },
  {
    name: "approval.list",
    tool: "approval.list",
    input: () => ({}),
    patterns: [
      sentence("(?:(?:show|list)(?: me)? )?(?:the |my |all )?(?:open |pending )?approvals"),
      sentence("what (?:waits|is waiting|needs) (?:for )?(?:me|my (?:yes|approval))")
    ]
  }
]

/** Part of the host. */
export const approvalTools = definePlugin({
  name: "approvals",
  version,
  setup: () => ({
    tools: [list, show, yes, no].map((tool) => forOperatorOnly(tool, {})),
    intents: sentences
  })
})()
