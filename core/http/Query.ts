/**
 * Query parameters: each one known, each one once, each refusal by name. Shared shapes of the list filters.
 */
import { Schema, SchemaGetter } from "effect"
import { SearchText } from "../audit/Search.ts"
import { isUuid } from "../database/Ids.ts"
import { problem, type Problem } from "./Problem.ts"

/** The parameters of a target if all are known and none comes twice. */
export const readQuery = (
  target: string,
  known: ReadonlyArray<string>
): { readonly values: ReadonlyMap<string, string>; readonly problem?: undefined } | {
  readonly problem: Problem<400>
} => {
  const values = new Map<string, string>()
  const start = target.indexOf("?")
  if (start !== -1) {
    for (const [name, value] of new URLSearchParams(target.slice(start + 1))) {
      const shown = JSON.stringify(name.slice(0, 100))
      if (!known.includes(name)) {
        const detail = known.length === 0
          ? `The parameter ${shown} is unknown: this address takes none.`
          : `The parameter ${shown} is unknown. Known here: ${known.join(", ")}.`
        return { problem: problem("request.parameter", detail) }
      }
      if (values.has(name)) {
        return { problem: problem("request.parameter", `The parameter ${shown} comes more than once.`) }
      }
      if (value.includes("\0")) {
        return { problem: problem("request.parameter", `The parameter ${shown} holds a NUL character.`) }
      }
      // What is no UTF-8 (half of a character too) becomes this one; who means this one writes it as it is written.
      if (value.includes("\uFFFD") && !/%EF%BF%BD/i.test(target)) {
        return { problem: problem("request.parameter", `The parameter ${shown} is not text in UTF-8.`) }
      }
      values.set(name, value)
    }
  }
  return { values }
}

const text = Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(1000)))

export const Text = Schema.optionalKey(text)

export const SearchQuery = Schema.optionalKey(
  SearchText.annotate({
    description: "Found in any case of its letters, anywhere in a row; nothing in it is a wildcard."
  })
)

/** What the page of a search has besides its items and its cursor. */
export const searchedUntil = {
  searched_until: Schema.optionalKey(
    Schema.String.annotate({ description: "How far back the search has come, where there is more to look at." })
  )
}

export const defaultLimit = 50
export const maximumLimit = 500

const Limit = Schema.optionalKey(
  Schema.FiniteFromString.pipe(Schema.check(
    Schema.isInt({ message: "Expected a whole number from 1 to 500" }),
    Schema.isBetween({ minimum: 1, maximum: maximumLimit }, { message: "Expected a whole number from 1 to 500" })
  )).annotate({ description: "1 to 500, 50 without it." })
)

const Cursor = Schema.optionalKey(
  Schema.String.pipe(Schema.check(Schema.isMaxLength(200))).annotate({
    description: "The next_cursor of the page before."
  })
)

/** One status or several, `open` and `ended` among them. */
export const Statuses = <S extends string>(statuses: ReadonlyArray<S>) => {
  const known: ReadonlyArray<S | "open" | "ended"> = [...statuses, "open", "ended"]
  const one = Schema.Literals(known)
  return Schema.optionalKey(
    Schema.String.pipe(
      Schema.check(Schema.makeFilter((value: string) =>
        value.length <= 500 && value.split(",").every(Schema.is(one)) ||
        `Expected one or more of ${known.join(", ")}, with commas between them`
      )),
      Schema.annotate({
        description:
          `One or more of ${known.join(", ")}, with commas between them. open: all that have not ended; ended: ` +
          "all that have."
      }),
      Schema.decodeTo(Schema.Array(one), {
        decode: SchemaGetter.transform((value: string) => value.split(",") as ReadonlyArray<typeof known[number]>),
        encode: SchemaGetter.transform((values: ReadonlyArray<string>) => values.join(","))
      })
    )
  )
}

export const UuidText = Schema.String.pipe(
  Schema.check(Schema.makeFilter((value: string) => isUuid(value) || "Expected a UUID")),
  Schema.annotate({ format: "uuid" })
)
export const Uuid = Schema.optionalKey(UuidText)

const instant = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/

/** A moment in ISO 8601; without a zone it is UTC. */
export const Instant = Schema.optionalKey(
  Schema.String.pipe(
    Schema.check(
      Schema.makeFilter((value: string) =>
        !Number.isNaN(toDate(value).getTime()) || "Expected a moment in ISO 8601, like 2026-01-31T12:00:00Z"
      )
    ),
    Schema.annotate({ description: "ISO 8601; UTC where it names no zone." }),
    Schema.decodeTo(Schema.Date, {
      decode: SchemaGetter.transform(toDate),
      encode: SchemaGetter.transform((date: Date) => date.toISOString())
    })
  )
)

export function toDate(value: string): Date {
  // A plus sign that was not escaped arrives as a space.
  const given = value.replace(" ", "+")
  if (!instant.test(given)) return new Date(Number.NaN)
  return new Date(/(Z|[+-]\d\d:?\d\d|^[\d-]{10})$/.test(given) ? given : `${given}Z`)
}

/** What every list takes. */
export const pageQuery = { limit: Limit, cursor: Cursor }
