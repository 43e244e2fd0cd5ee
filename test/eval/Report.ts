/**
 * What an evaluation says: a line for each line of the table, a total for each group and for all, and whether it is enough.
 */
import { callInWords, type Expected, type Got } from "./Case.ts"
import type { Judged, Took } from "./Evaluate.ts"

export interface Total extends Took {
  readonly group: string
  readonly lines: number
  readonly ok: number
  /** Of 1. */
  readonly share: number
}

export interface Summary {
  readonly model: string
  readonly groups: ReadonlyArray<Total>
  readonly all: Total
  readonly least: number
  readonly enough: boolean
}

const totalOf = (group: string, judged: ReadonlyArray<Judged>): Total => {
  const sum = (of: (took: Took) => number) => judged.reduce((total, { took }) => total + of(took), 0)
  const ok = judged.filter(({ wrong }) => wrong.length === 0).length
  return {
    group,
    lines: judged.length,
    ok,
    share: judged.length === 0 ? 0 : ok / judged.length,
    questions: sum(({ questions }) => questions),
    input_tokens: sum(({ input_tokens }) => input_tokens),
    output_tokens: sum(({ output_tokens }) => output_tokens),
    ...(judged.some(({ took }) => took.usd !== undefined) ? { usd: sum(({ usd = 0 }) => usd) } : {}),
    ms: sum(({ ms }) => ms)
  }
}

/** `least`: the share of lines that have to be right. No line at all is not enough. */
export const summarize = (model: string, judged: ReadonlyArray<Judged>, least: number): Summary => {
  const all = totalOf("all", judged)
  return {
    model,
    groups: [...Map.groupBy(judged, ({ group }) => group)].map(([group, some]) => totalOf(group, some)),
    all,
    least,
    enough: all.lines > 0 && all.share >= least
  }
}

const expectedInWords = ({ asks, calls = [], lane, rule }: Expected): string =>
  [
    rule === undefined ? lane : `${lane} (${rule})`,
    ...calls.map(callInWords),
    ...(asks === undefined ? [] : [`asks ${asks.words}`])
  ].join(", ")

const gotInWords = (got: Got | undefined): string =>
  got === undefined ? "nothing" : [
    got.rules.length === 0 ? got.lane : `${got.lane} (${got.rules.join(", ")})`,
    ...got.calls.map(({ input, status, tool }) =>
      `${tool} ${JSON.stringify(input)}${status === "succeeded" ? "" : ` (${status === "planned" ? "held" : status})`}`
    ),
    ...(got.question === undefined ? [] : [`asks ${JSON.stringify(got.question)}`]),
    ...(got.reply === undefined || got.reply === got.question ? [] : [`says ${JSON.stringify(got.reply)}`])
  ].join(", ")

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
const dollars = (usd: number | undefined): string => usd === undefined || usd === 0 ? "" : `$${usd.toFixed(4)}`
const tookInWords = ({ input_tokens, ms, output_tokens, usd }: Took): string =>
  [`${input_tokens}+${output_tokens} tokens`, dollars(usd), seconds(ms)].filter((part) => part !== "").join(", ")

/** One line of the table, for a person. */
export const lineInWords = ({ got, took, turn, wrong }: Judged): string =>
  [
    `  ${wrong.length === 0 ? "ok   " : "WRONG"} ${turn.answers === true ? "… " : ""}${turn.say}  (${
      tookInWords(took)
    })`,
    `        expected  ${expectedInWords(turn.expect)}`,
    `        got       ${gotInWords(got)}`,
    ...wrong.map((one) => `        !         ${one}`)
  ].join("\n")

const columns = ["group", "ok", "questions", "tokens in", "tokens out", "cost", "time"] as const
const rowOf = (total: Total): ReadonlyArray<string> => [
  total.group,
  `${total.ok} of ${total.lines}`,
  String(total.questions),
  String(total.input_tokens),
  String(total.output_tokens),
  dollars(total.usd) || "-",
  seconds(total.ms)
]

/** The totals as a table, and the sentence at the end. */
export const summaryInWords = ({ all, enough, groups, least, model }: Summary): string => {
  const rows = [columns, ...[...groups, all].map(rowOf)]
  const widths = columns.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const table = rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join("  ")
  )
  const percent = (share: number) => `${Math.floor(share * 1_000) / 10} %`
  return [
    ...table,
    "",
    `${model}: ${all.ok} of ${all.lines} lines are right (${percent(all.share)}); at least ${
      percent(least)
    } are wanted. ` +
    (enough ? "That is enough." : "That is not enough.")
  ].join("\n")
}

/** The same for machines. */
export const asJson = (summary: Summary, judged: ReadonlyArray<Judged>) => ({
  ...summary,
  lines: judged.map(({ got, group, took, turn: { expect, say }, wrong }) => ({
    group,
    say,
    ok: wrong.length === 0,
    wrong,
    expected: expectedInWords(expect),
    got,
    ...took
  }))
})
