/**
 * The operator's answer to a question for approval, by mail: `approve 7KQ2-M9TD` or `no 7KQ2-M9TD` as the first words of what
 * was written. It counts only from the operator's own address, where the trusted server vouches for it.
 *
 * - A yes is believed only where nothing stands between it and the code: below the words of a person there may be the
 *   question itself, in a way that no program knows as repeated.
 * - What says yes and no, or has two codes, decides nothing.
 */
import type { ChannelContext } from "syris"
import type { Account } from "./Account.ts"
import type { Letter } from "./Letter.ts"

export interface ApprovalReply {
  readonly code: string
  readonly decision: "approve" | "deny"
}

/** What words say of a code. */
export type Said =
  | ApprovalReply & { readonly _tag: "Plain"; readonly bare: boolean }
  /** It is about a code, and what it says of that is anybody's guess. */
  | { readonly _tag: "Unclear" }

const word = /^\W{0,10}(approved?|yes|ok|okay|ja|den(?:y|ied)|no|nein|reject(?:ed)?)\b/i
const approves = /^(approve|yes|ok|ja)/i
const yes = /\b(approved?|yes|ja)\b/i
const no = /\b(den(y|ied)|no|not|don['’]?t|do not|never|nein|nicht|kein\w*|reject(ed)?|wait|stop)\b/i
const filler = /\b(code|with|the|it|please|bitte|mit|den)\b/gi

/** With its dash, whatever a program made of that; without one; or in two words, as it was written. */
const codes = [
  /(?<![0-9a-z-])([0-9a-z]{4})[-\u2010-\u2014\u2212]([0-9a-z]{4})(?![0-9a-z-])/gi,
  /(?<![0-9a-z-])([0-9a-z]{4})([0-9a-z]{4})(?![0-9a-z-])/gi,
  /(?<![0-9A-Za-z-])([0-9A-Z]{4})[ \u00a0]{1,2}([0-9A-Z]{4})(?![0-9A-Za-z-])/g
]

interface FoundCode {
  readonly code: string
  readonly at: number
  readonly whole: string
}

/** All of them in a text, by their place. Each has a letter and a digit: the word `long-term` and a date are none. */
const codesIn = (text: string): ReadonlyArray<FoundCode> =>
  codes.flatMap((one) =>
    Array.from(text.matchAll(one), ({ 0: whole, 1: first = "", 2: second = "", index }) => ({
      code: `${first}-${second}`.toUpperCase(),
      at: index,
      whole
    })).filter(({ code }) => /\d/.test(code) && /[A-Z]/.test(code))
  ).toSorted((left, right) => left.at - right.at)

/** What the words decide; nothing where they are about no code. `bare`: there is nothing else on their line. */
export const replyIn = (text: string): Said | undefined => {
  const start = text.trimStart().slice(0, 2_000)
  const said = word.exec(start)
  if (said === null) return undefined
  const [found] = codesIn(start)
  if (found === undefined || found.at < said[0].length) return undefined
  const decision = approves.test(said[1]!) ? "approve" : "deny"
  const own = start.split(/\n[^\S\n]*\n/)[0]!
  const between = start.slice(said[0].length, found.at).replace(filler, "")
  const joined = !/[\p{L}\p{N}]/u.test(between)
  // A yes to something else; the code is in what is below it.
  if (decision === "approve" && !joined && found.at >= own.length) return undefined
  const others = own.slice(said[0].length)
  const unclear = decision === "approve" ? !joined || no.test(others) : yes.test(others)
  if (unclear || new Set(codesIn(own).map(({ code }) => code)).size > 1) return { _tag: "Unclear" }
  const [line = ""] = start.split("\n")
  const rest = line.slice(said[0].length).replace(found.whole, "")
  return {
    _tag: "Plain",
    code: found.code,
    decision,
    bare: found.at + found.whole.length <= line.length && !/[\p{L}\p{N}]/u.test(rest)
  }
}

/** Questions that a mail repeats, without their codes. */
export const withoutCodes = (text: string): string =>
  text.replaceAll(/\b(approve|deny|yes|no)(\s+)[0-9a-z]{4}-[0-9a-z]{4}(?![0-9a-z-])/gi, "$1$2____-____")

/**
 * What a mail decides. `not_verified`: it would, and nobody knows who wrote it; `unclear`: the operator did, and does not say
 * plainly what; nothing for any other mail.
 */
export const answerIn = (
  { operator }: Pick<Account, "operator">,
  { automatic, bounce, judgement, sender, subject, text }: Pick<
    Letter,
    "automatic" | "bounce" | "judgement" | "sender" | "subject" | "text"
  >
): ApprovalReply | "not_verified" | "unclear" | undefined => {
  if (operator === undefined || automatic !== undefined || bounce !== undefined) return undefined
  const said = replyIn(text === "" ? subject : text)
  if (said === undefined) return undefined
  if (sender !== operator) {
    return said._tag === "Plain" && said.bare && /\w-\w|[\u2010-\u2014\u2212]/.test(text) ? "not_verified" : undefined
  }
  if (judgement.verified === undefined) return "not_verified"
  return said._tag === "Unclear" ? "unclear" : { code: said.code, decision: said.decision }
}

/**
 * Decides. What the host can't decide now is thrown: the mail comes again. A code is good once, so a mail that comes again
 * decides nothing more.
 */
export const settleAnswer = async (
  ctx: ChannelContext,
  { messageId }: Letter,
  { code, decision }: ApprovalReply
): Promise<Answer> => {
  const { message, outcome } = await ctx.answer(code, decision)
  ctx.log.info("An answer to a question for approval came by mail.", { outcome, message_id: messageId })
  return { decision, outcome, message }
}

/** What came of it, for the record. */
export interface Answer {
  readonly decision: "approve" | "deny"
  readonly outcome: string
  readonly message: string
}
