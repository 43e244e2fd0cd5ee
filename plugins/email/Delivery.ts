/**
 * Sends one mail once: when the server that sends is ready for its text the draft, then the text, then Sent. Each attempt of
 * the same call has the same Message-ID, and one that finds it sent already sends nothing.
 */
import { type Log, type SecretOption, ToolRefused, ToolUnknown } from "syris"
import type { Account } from "./Account.ts"
import { type Imap, openImap } from "./Imap.ts"
import { ownId } from "./MessageId.ts"
import { compose, type Outgoing } from "./Outgoing.ts"
import { sentMail } from "./SentMail.ts"
import { openSmtp, type Taken } from "./Smtp.ts"

/** What a delivery runs with. */
export interface Sending {
  readonly secret: (option: SecretOption) => Promise<string>
  readonly signal: AbortSignal
  readonly log: Log
  /** The same for each attempt. */
  readonly key: string
  readonly now: Date
}

export interface Delivered {
  readonly messageId: string
  /** Of whom the server did not take it for, its words. */
  readonly rejected: ReadonlyArray<string>
  /** It is in the mailbox as sent. */
  readonly filed: boolean
}

export const idOf = (
  account: Account,
  { inReplyTo, references }: Pick<Outgoing, "inReplyTo" | "references">,
  key: string
) => ownId(key, account.domain, references.length > 0 ? references : inReplyTo === undefined ? [] : [inReplyTo])

const said = (error: unknown): string => error instanceof Error ? error.message : String(error)

const nothingSent = (error: unknown): Error =>
  error instanceof ToolRefused ? error : new ToolRefused(`Nothing was sent. ${said(error)}`)

export const deliver = async (account: Account, mail: Outgoing, sending: Sending): Promise<Delivered> => {
  const { key, log, now, signal } = sending
  const messageId = idOf(account, mail, key)
  const message = await compose(account, mail, messageId, now)
  const prepared = async () => {
    const imap = await openImap(account, sending)
    try {
      const box = await sentMail(account, imap)
      const state = await box.state(messageId)
      if (state === "sending") await box.discard(messageId)
      return { imap, box, sent: state === "sent" }
    } catch (error) {
      await imap[Symbol.asyncDispose]()
      throw error
    }
  }
  const { box, imap, sent } = await prepared().catch((error: unknown) => {
    throw nothingSent(error)
  })
  await using _: Imap = imap
  if (sent) return { messageId, rejected: [], filed: true }
  using smtp = await openSmtp(account, sending).catch((error: unknown) => {
    throw nothingSent(error)
  })
  let begun: Promise<void> | undefined
  const begin = async (): Promise<void> => {
    try {
      await (begun = withBox(account, sending, box, (one) => one.begin(message, now)))
      signal.throwIfAborted()
    } catch (error) {
      throw nothingSent(
        new Error(
          `The draft can't be kept, without which nobody could tell later whether it was sent: ${said(error)}.`
        )
      )
    }
  }
  let taken: Taken
  try {
    taken = await smtp.send(account.address, [...mail.to, ...mail.cc ?? []], message, begin)
  } catch (error) {
    if (error instanceof ToolUnknown || begun === undefined) throw error
    const discard = () => withBox(account, sending, box, (one) => one.discard(messageId))
    await begun.then(discard, discard).catch((problem: unknown) =>
      log.warn("A draft that was not sent stays in the mailbox.", { message_id: messageId, why: said(problem) })
    )
    throw error
  }
  return { messageId, rejected: taken.rejected, filed: await file(account, sending, box, messageId) }
}

type Box = Awaited<ReturnType<typeof sentMail>>

/** While the server that sends made up its mind, the mailbox may have closed the connection: then by another one. */
const withBox = (
  account: Account,
  sending: Sending,
  box: Box,
  work: (box: Box) => Promise<void>
): Promise<void> =>
  work(box).catch(async () => {
    await using imap = await openImap(account, sending)
    await work(await sentMail(account, imap))
  })

/** It was sent: whatever goes wrong from here on changes nothing of that. */
const file = async (account: Account, sending: Sending, box: Box, messageId: string): Promise<boolean> => {
  try {
    await withBox(account, sending, box, (one) => one.finish(messageId))
    return true
  } catch (error) {
    sending.log.warn("A mail was sent and is still among the drafts.", { message_id: messageId, why: said(error) })
    return false
  }
}

/** Whether a mail was sent, by the mailbox. */
export const probe = async (
  account: Account,
  mail: Pick<Outgoing, "inReplyTo" | "references">,
  sending: Pick<Sending, "key" | "secret" | "signal">
): Promise<"done" | "not_done" | "unknown"> => {
  await using imap = await openImap(account, sending)
  const state = await (await sentMail(account, imap)).state(idOf(account, mail, sending.key))
  return state === "sent" ? "done" : state === "sending" ? "unknown" : "not_done"
}
