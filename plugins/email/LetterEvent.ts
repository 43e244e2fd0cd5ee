/**
 * The event that a letter becomes. Mail that nobody wrote has no text, so nobody takes it for a wish, and it is not answered;
 * rules see all of it in `structured`.
 */
import type { EmitOptions, RawEvent } from "syris"
import type { Account } from "./Account.ts"
import { type Answer, withoutCodes } from "./ApprovalReply.ts"
import type { Letter } from "./Letter.ts"
import { clip } from "./PlainText.ts"

type Structured = NonNullable<RawEvent["structured"]>

/** `Re:` once. */
export const replySubject = (subject: string): string =>
  subject === "" ? "" : /^re(\[\d+\])?\s*:/i.test(subject) ? subject : clip(`Re: ${subject}`, 500)

/**
 * What was written, for whoever reads nothing else. Words on one line are meant as they stand, and a mail of more lines begins
 * with its subject, where that is new.
 */
const saidIn = ({ inReplyTo, subject, text }: Letter): string => {
  if (text === "") return subject
  return subject === "" || inReplyTo !== undefined || !text.includes("\n")
    ? text
    : clip(`Subject: ${subject}\n\n${text}`, 65_536)
}

export interface LetterEvent {
  readonly event: RawEvent
  readonly options: EmitOptions
}

/** The event of an answer to a question for approval: that it came, and what it was worth. Nothing else is done with it. */
export const answerEvent = (account: Account, letter: Letter, answer: Answer): LetterEvent => ({
  event: {
    channel: "email",
    connector_id: account.connector,
    message_id: letter.eventId,
    thread_id: letter.threadId,
    actor_id: letter.sender ?? "unknown",
    actor_type: "system",
    structured: {
      subject: letter.subject,
      message_id: letter.messageId,
      auto: "answer to a question for approval",
      answer: { ...answer }
    }
  },
  options: {}
})

/** `tooMany`: why it is not taken for a person's, where it says nothing of that itself. */
export const eventOf = (account: Account, given: Letter, tooMany?: string): LetterEvent => {
  const letter = account.operator === undefined
    ? given
    : { ...given, text: withoutCodes(given.text), body: withoutCodes(given.body) }
  const { attachments, bounce, judgement, leftOut, sender } = letter
  const auto = bounce === undefined ? letter.automatic ?? tooMany : "report"
  const said = saidIn(letter)
  const { doubt, verified } = judgement
  const structured: Structured = {
    subject: letter.subject,
    from: letter.from,
    to: letter.to,
    cc: letter.cc,
    message_id: letter.messageId,
    ...(letter.date === undefined ? {} : { date: letter.date.toISOString() }),
    ...(letter.inReplyTo === undefined ? {} : { in_reply_to: letter.inReplyTo }),
    references: letter.ids.slice(0, -1),
    ...(letter.list === undefined ? {} : { list: letter.list }),
    auth: judgement.auth,
    attachments: attachments.map(({ data, mediaType, name }) => ({ name, media_type: mediaType, bytes: data.length })),
    ...(leftOut.length === 0 ? {} : { left_out: leftOut }),
    // What a mail repeats is the words of others: it has no place in an event that is believed.
    ...(auto === undefined && (letter.body === said || verified !== undefined) ? {} : { body: letter.body }),
    ...(letter.forwards ? { forwards: true } : {}),
    ...(auto === undefined ? {} : { auto }),
    ...(bounce === undefined ? {} : { bounce: { ...bounce } }),
    ...(auto !== undefined || sender === undefined ? {} : {
      reply: {
        subject: replySubject(letter.subject),
        references: letter.ids,
        ...(letter.replyTo === undefined || letter.replyTo === sender ? {} : { to: letter.replyTo })
      }
    })
  }
  return {
    event: {
      channel: "email",
      connector_id: account.connector,
      message_id: letter.eventId,
      thread_id: letter.threadId,
      actor_id: sender ?? "unknown",
      // Of what nobody said anything, nothing is asked.
      actor_type: auto === undefined ? "user" : "system",
      structured,
      links: letter.links,
      ...(auto === undefined && said !== "" ? { text: said } : {})
    },
    options: {
      ...(verified === undefined || auto !== undefined
        ? {}
        : { raise: { trust: "trusted" as const, because: verified } }),
      ...(doubt === undefined ? {} : { doubt }),
      ...(attachments.length === 0 ? {} : { attachments })
    }
  }
}
