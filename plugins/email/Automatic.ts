/**
 * Mail that no person wrote to us: what is answered of it comes back, and is answered again. It is recognised by what its
 * sender says of it (RFC 3834 and its older cousins).
 */
import type { Account } from "./Account.ts"
import { addressOf } from "./Address.ts"
import { type HeaderBlock, valueOf } from "./HeaderBlock.ts"

/** A report that a mail of ours was not delivered, or was. */
export interface Bounce {
  /** The Message-ID of the mail that it is about, where the report has it. */
  readonly of?: string
  /** RFC 3463, such as `5.1.1`. */
  readonly status?: string
  readonly action?: string
}

/** Why a mail is nobody's: a word; `undefined` for mail of a person. */
export const automatic = (
  headers: HeaderBlock,
  sender: string | undefined,
  account: Pick<Account, "address" | "operator">
): string | undefined => {
  const said = (name: string): string => (valueOf(headers, name) ?? "").trim().toLowerCase()
  const submitted = said("auto-submitted").split(/[;\s(]/)[0]
  const type = said("content-type")
  if (/^multipart\/report\b/.test(type)) return "report"
  if (submitted !== "" && submitted !== "no") return `auto-submitted ${submitted!.slice(0, 50)}`
  if (headers.some(({ name, value }) => name === "return-path" && /^<\s*>$/.test(value))) return "no return path"
  const name = sender?.split("@")[0]
  if (name === "mailer-daemon" || name === "postmaster") return "mail system"
  if (headers.some((header) => header.name === "list-id" || header.name === "list-unsubscribe")) return "list"
  const precedence = said("precedence")
  if (/^(bulk|junk|list|auto_reply)$/.test(precedence)) return `precedence ${precedence}`
  const suppress = said("x-auto-response-suppress")
  if (/\b(all|oof|autoreply)\b/.test(suppress)) return "asks for no automatic answer"
  if (said("x-autoreply") !== "" || said("x-autorespond") !== "") return "automatic reply"
  if (sender === account.address && account.operator !== account.address) return "own address"
  return undefined
}

/** It says nothing of being automatic, and looks like it. */
export const looksAutomatic = (sender: string, subject: string): boolean =>
  /^(no-?reply|do-?not-?reply|bounces?|notifications?|alerts?|mailer)\b/.test(addressOf(sender)?.split("@")[0] ?? "") ||
  /^\s*(auto(matic)?[ -]?(reply|response|antwort)|automatische antwort|out of( the)? office|abwesenheit|réponse automatique|respuesta automática|delivery status|undeliver(ed|able))/i
    .test(subject)

const hour = 3_600_000
const mostSenders = 1_000

/** Counts the mail of senders over an hour, on this host, since it started. */
export const makeRate = (most: number, now: () => number = Date.now) => {
  const seen = new Map<string, Array<number>>()
  /** Whether one more of this sender is within what is taken. */
  return (sender: string): boolean => {
    const from = now() - hour
    const times = (seen.get(sender) ?? []).filter((time) => time > from)
    seen.delete(sender)
    if (times.length < most) times.push(now())
    else {
      seen.set(sender, times)
      return false
    }
    seen.set(sender, times)
    if (seen.size > mostSenders) seen.delete(seen.keys().next().value!)
    return true
  }
}

/** What a report says; `undefined` for mail that is none. `parts`: its texts, the report's own fields among them. */
export const bounceIn = (
  headers: HeaderBlock,
  parts: ReadonlyArray<string>,
  isOurs: (id: string) => boolean
): Bounce | undefined => {
  const type = (valueOf(headers, "content-type") ?? "").toLowerCase()
  if (!/^multipart\/report\b/.test(type) && !headers.some(({ name }) => name === "x-failed-recipients")) {
    return undefined
  }
  const text = parts.join("\n").slice(0, 262_144)
  const status = /^status:[ \t]*([245]\.\d{1,3}\.\d{1,3})/im.exec(text)?.[1]
  const action = /^action:[ \t]*([a-z]{1,20})/im.exec(text)?.[1]?.toLowerCase()
  const of = text.match(/<syris\.[0-9a-f.]{1,60}@[^<>\s]{1,250}>/gi)?.map((id) => id.slice(1, -1)).find(isOurs)
  return {
    ...(of === undefined ? {} : { of }),
    ...(status === undefined ? {} : { status }),
    ...(action === undefined ? {} : { action })
  }
}
