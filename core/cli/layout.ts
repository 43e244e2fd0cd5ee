/**
 * Times, durations and tables, as the commands print them. Pure.
 */
import { CliOutput } from "effect/cli"

/** Marks what matters; with `colour` false every mark is the text itself. */
export const paints = (colour: boolean) => {
  const mark = (code: number) => (text: string) => colour && text !== "" ? `\u001b[${code}m${text}\u001b[0m` : text
  return { red: mark(31), green: mark(32), yellow: mark(33), dim: mark(2), bold: mark(1) }
}
export type Paints = ReturnType<typeof paints>

/** A status in the colour of what it means. */
export const coloured = (status: string, paint: Paints): string =>
  /^(succeeded|approved|consumed|fast|task)$/.test(status)
    ? paint.green(status)
    : /^(failed|unknown|denied|expired)$/.test(status)
    ? paint.red(status)
    : paint.yellow(status)

const pad = (value: number, length = 2) => String(value).padStart(length, "0")

/** `2026-11-22 14:03:22.123` in the operator's zone; what is no time stays as it is. */
export const localTime = (iso: string): string => {
  const at = new Date(iso)
  if (Number.isNaN(at.getTime())) return iso
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`
  return `${day} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`
}

export const duration = (ms: number): string => {
  if (ms < 0) return `-${duration(-ms)}`
  if (ms < 1_000) return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`
  if (ms < 59_995) return `${(ms / 1_000).toFixed(2)} s`
  const seconds = Math.round(ms / 1_000)
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${pad(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${pad(minutes % 60)} min`
  return `${Math.floor(hours / 24)} days`
}

export const bytes = (count: number): string =>
  count >= 1_024 ** 3 ? `${(count / 1_024 ** 3).toFixed(1)} GiB` : `${Math.floor(count / 1_024 ** 2)} MiB`

/** Fills up with spaces to a width in terminal cells; `text` has no colour yet. */
export const padded = (text: string, width: number): string =>
  text + " ".repeat(Math.max(0, width - CliOutput.displayWidth(text)))

/** Columns as wide as their widest cell; the last one is not filled up. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths: Array<number> = []
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, CliOutput.displayWidth(cell)))
  }
  return rows.map((row) =>
    row.map((cell, i) => i === row.length - 1 ? cell : padded(cell, widths[i] ?? 0)).join("  ").trimEnd()
  )
}
