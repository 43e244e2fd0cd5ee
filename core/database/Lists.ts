/**
 * Rows as one list a column: what a statement of the hot path is given. PostgreSQL reads it in half the time that a list of
 * JSON objects takes.
 *
 * ```ts
 * const steps = lists<StepRow>("step_id uuid, name text")
 * sql.unsafe(`select * from ${steps.from("$1", "s")}`, [steps.of(rows)])
 * ```
 */

export interface Lists<Row> {
  /** The rows of a parameter in a FROM clause under an alias, in their order; `ord` counts them from 1. */
  readonly from: (parameter: string, alias: string) => string
  /** The parameter. A column that a row has not is null. */
  readonly of: (rows: ReadonlyArray<Row>) => ReadonlyArray<string>
}

/** `columns` as in a table: `"step_id uuid, name text"`. Objects of a `jsonb` column are written as JSON. */
export const lists = <Row extends object>(columns: string): Lists<Row> => {
  const parts = columns.split(",").map((column) => {
    const [name = "", ...type] = column.trim().split(/\s+/)
    return { name: name as keyof Row & string, type: type.join(" ") }
  })
  const names = parts.map(({ name }) => name).join(", ")
  return {
    from: (parameter, alias) =>
      `unnest(${
        parts.map(({ type }, index) => `(${parameter}::text[])[${index + 1}]::${type}[]`).join(", ")
      }) with ordinality as ${alias}(${names}, ord)`,
    of: (rows) =>
      parts.map(({ name, type }) => `{${rows.map((row) => element(row[name], type === "jsonb")).join(",")}}`)
  }
}

const element = (value: unknown, json: boolean): string => {
  if (value === undefined || (value === null && !json)) return "NULL"
  if (json) return quoted(JSON.stringify(value))
  if (typeof value === "string") return quoted(value)
  if (value instanceof Date) return quoted(value.toISOString())
  return typeof value === "number" || typeof value === "boolean" || typeof value === "bigint"
    ? `${value}`
    : quoted(JSON.stringify(value))
}

const quoted = (text: string): string => `"${/[\\"]/.test(text) ? text.replaceAll(/[\\"]/g, "\\$&") : text}"`
