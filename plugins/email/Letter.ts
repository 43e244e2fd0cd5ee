/**
 * A message that was read: bounded before it is parsed, whatever it is; and what it says of itself apart from what is known
 * of it. Nothing in it is believed here but what `Sender.ts` found.
 */
import { parseAddressHeader, type ParsedMail, simpleParser } from "mailparser"
import { createHash } from "node:crypto"
import type { Account } from "./Account.ts"
import { addressOf, domainOf } from "./Address.ts"
import { automatic, type Bounce, bounceIn } from "./Automatic.ts"
import { maximumBytes, outOfBounds, type OutOfBounds } from "./Bounds.ts"
import { endOfHeaders, type HeaderBlock, headersOf, valueOf, valuesOf } from "./HeaderBlock.ts"
import { htmlText } from "./HtmlText.ts"
import { idsIn, isMessageId, isOurs, threadOf } from "./MessageId.ts"
import { clip, clipLine, linksIn, maximumText } from "./PlainText.ts"
import { judge, type Judgement, senderOf } from "./Sender.ts"
import { writtenIn } from "./Written.ts"

export interface LetterAttachment {
  readonly data: Uint8Array
  readonly name: string
  readonly mediaType: string
}

export interface Letter {
  /** Its Message-ID; where it has none, or no proper one, the hash of all of it. */
  readonly messageId: string
  /** What its event is known by (`eventIdOf`). */
  readonly eventId: string
  readonly threadId: string
  readonly inReplyTo: string | undefined
  /** The thread that it stands in, oldest first, itself last. */
  readonly ids: ReadonlyArray<string>
  /** The one address in `From`. */
  readonly sender: string | undefined
  /** The one `Reply-To` of the same domain, else the sender. Answers go to the sender; this is for who asks for it. */
  readonly replyTo: string | undefined
  readonly from: string
  readonly to: ReadonlyArray<string>
  readonly cc: ReadonlyArray<string>
  readonly subject: string
  readonly date: Date | undefined
  /** What was written, without what it repeats. */
  readonly text: string
  /** It holds words of somebody else that are not marked as repeated. */
  readonly forwards: boolean
  /** All of its text. */
  readonly body: string
  readonly links: ReadonlyArray<string>
  readonly attachments: ReadonlyArray<LetterAttachment>
  /** Names of what was too much to keep. */
  readonly leftOut: ReadonlyArray<string>
  readonly list: string | undefined
  readonly judgement: Judgement
  /** Why nobody wrote it. */
  readonly automatic: string | undefined
  readonly bounce: Bounce | undefined
  /** A mail of ours that came back. */
  readonly own: boolean
}

/** What a mail that can't be read is known by. */
export const hashOf = (source: Buffer): string => `sha256:${createHash("sha256").update(source).digest("hex")}`

/** The Message-ID in the headers, where it is one. */
export const messageIdIn = (headers: HeaderBlock): string | undefined => {
  const values = valuesOf(headers, "message-id")
  const [id] = idsIn(values[0])
  return values.length === 1 ? id : undefined
}

/**
 * A mail that is believed is known by its Message-ID. Of any other that is anybody's to write: whoever knows the id of a mail
 * that is still to come could have it taken for a repeat of his own. So what it says belongs to it.
 */
const eventIdOf = (source: Buffer, headers: HeaderBlock, id: string, verified: boolean): string => {
  if (verified || !isMessageId(id)) return id
  const hash = createHash("sha256")
    .update(JSON.stringify(["from", "date", "subject"].map((name) => valuesOf(headers, name))))
    .update(source.subarray(endOfHeaders(source)))
  return `${id} ${hash.digest("hex").slice(0, 24)}`
}

const maximumHtml = 1_048_576
/** Of a text so much is looked at: a mail of millions of lines takes no longer than any other. */
const maximumLooked = 4 * maximumText
const parserOptions = {
  skipHtmlToText: true,
  skipTextToHtml: true,
  skipTextLinks: true,
  skipImageLinks: true,
  ignoreEmbedded: true,
  maxChildNodes: 250,
  maxHeadSize: 262_144,
  checksumAlgo: false as const
}

/** Its text; of one that is nothing but HTML, the text that is in it. */
const textIn = ({ html, text }: Pick<ParsedMail, "html" | "text">): string =>
  text !== undefined && text.trim() !== "" ? text : typeof html === "string" ? htmlText(html.slice(0, maximumHtml)) : ""

const addressesIn = (headers: HeaderBlock, name: string): ReadonlyArray<string> => {
  const values = valuesOf(headers, name).map((value) => value.slice(0, 16_384))
  const { value } = parseAddressHeader(values, { flatten: true, decodePunycode: false })
  return [...new Set(value.flatMap(({ address = "" }) => addressOf(address) ?? []))].slice(0, 50)
}

// What an event takes along.
const mostAttachments = 32
const mostOfOne = 8 * 1024 * 1024

const attachmentsIn = ({ attachments }: ParsedMail) => {
  const kept: Array<LetterAttachment> = []
  const leftOut: Array<string> = []
  for (const { content, contentType, filename } of attachments) {
    const name = clipLine(filename ?? "", 150) || `attachment-${kept.length + leftOut.length + 1}`
    if (kept.length < mostAttachments && content.length > 0 && content.length <= mostOfOne) {
      kept.push({ data: content, name, mediaType: clipLine(contentType, 100) })
    } else if (content.length > 0 && leftOut.length < 100) leftOut.push(name)
  }
  return { attachments: kept, leftOut }
}

const dateOf = (value: string | undefined): Date | undefined => {
  const time = Date.parse((value ?? "").slice(0, 100).replace(/\([^()]*\)/g, "").trim())
  return Number.isNaN(time) ? undefined : new Date(time)
}

/** Reads a message; the reason where it is out of bounds. Throws where it can't be parsed. */
export const readLetter = async (account: Account, source: Buffer): Promise<Letter | OutOfBounds> => {
  const problem = outOfBounds(source)
  if (problem !== undefined) return problem
  const headers = headersOf(source)
  const parsed = await simpleParser(source, parserOptions)
  const sender = senderOf(headers)
  const given = messageIdIn(headers)
  const messageId = given ?? hashOf(source)
  const references = idsIn(valueOf(headers, "references"))
  const [inReplyTo] = idsIn(valueOf(headers, "in-reply-to"))
  const ids = [...new Set([...references, ...(inReplyTo === undefined ? [] : [inReplyTo]), messageId])]
  const judged = judge(account, headers, sender)
  const body = textIn(parsed).slice(0, maximumLooked)
  const { forwards, text } = writtenIn(body)
  // Whoever hands on the words of others can't vouch for them.
  const judgement = judged.verified !== undefined && forwards
    ? { ...judged, verified: undefined, doubt: `${sender} did write it, but it hands on words of somebody else.` }
    : judged
  const ours = (id: string) => isOurs(id, account.domain)
  const reports = parsed.attachments.filter(({ contentType }) => /^(message\/|text\/rfc822)/.test(contentType))
  const bounce = bounceIn(
    headers,
    [body, ...reports.slice(0, 5).map(({ content }) => content.subarray(0, 65_536).toString("latin1"))],
    ours
  )
  const replies = addressesIn(headers, "reply-to")
  const [reply] = replies
  const list = valueOf(headers, "list-id")
  return {
    messageId,
    eventId: eventIdOf(source, headers, messageId, judgement.verified !== undefined),
    threadId: threadOf(ids, judgement.verified === undefined ? undefined : sender),
    inReplyTo,
    ids,
    sender,
    replyTo: sender !== undefined && replies.length === 1 && domainOf(reply!) === domainOf(sender) ? reply : sender,
    from: clipLine(parsed.from?.text ?? "", 500),
    to: addressesIn(headers, "to"),
    cc: addressesIn(headers, "cc"),
    subject: clipLine(parsed.subject ?? "", 500),
    date: dateOf(valueOf(headers, "date")),
    text: clip(text, maximumText),
    forwards,
    body: clip(body.trim(), maximumText),
    // Of a mail that is believed only what its sender wrote.
    links: judgement.verified !== undefined
      ? linksIn(text)
      : linksIn(body, typeof parsed.html === "string" ? parsed.html.slice(0, maximumHtml) : ""),
    ...attachmentsIn(parsed),
    list: list === undefined ? undefined : clipLine(list, 300),
    judgement,
    automatic: automatic(headers, sender, account),
    bounce,
    own: given !== undefined && ours(given) && isMessageId(given)
  }
}

/** What can be told of a message that is not read: from its beginning. */
export const glimpse = (start: Buffer): { readonly from?: string; readonly message_id?: string } => {
  try {
    const headers = headersOf(start)
    const from = senderOf(headers)
    const id = messageIdIn(headers)
    return { ...(from === undefined ? {} : { from }), ...(id === undefined ? {} : { message_id: id }) }
  } catch {
    return {}
  }
}

/** The most of a message that is fetched: one byte more than is read. */
export const fetchedBytes = maximumBytes + 1
