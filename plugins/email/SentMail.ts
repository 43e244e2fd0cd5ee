/**
 * What of ours was sent, kept where a person finds it: in the mailbox itself. A mail is a draft while it is being sent, and
 * in Sent once it was; so after a crash the mailbox says how far it came.
 *
 * - In Drafts with the flag `\Draft`: it was being sent. Nobody knows whether the server took it.
 * - In Drafts without the flag, or in Sent: it was sent.
 * - Nowhere: it was not. The draft is there before the first byte of the mail goes out.
 */
import type { ListResponse } from "imapflow"
import type { Account } from "./Account.ts"
import { type Imap, uidsOf } from "./Imap.ts"

export type SentState = "sent" | "sending" | "absent"

interface Folder {
  readonly path: string
  readonly exists: boolean
}

interface Folders {
  readonly sent: Folder
  drafts: Folder
  /** Where some servers show all mail, whatever folder it is in. */
  readonly all: string | undefined
}

const byId = (id: string) => ({ header: { "message-id": `<${id}>` } })

const isDelimited = (path: string, name: string): boolean =>
  path.toLowerCase() === name.toLowerCase() ||
  /^inbox[./]/i.test(path) && path.slice(6).toLowerCase() === name.toLowerCase()

const foldersIn = (list: ReadonlyArray<ListResponse>, wanted: string | undefined): Folders => {
  const pick = (use: string, name: string): Folder => {
    const path = list.find(({ specialUse }) => specialUse === use)?.path ??
      list.find(({ path }) => isDelimited(path, name))?.path
    return path === undefined ? { path: name, exists: false } : { path, exists: true }
  }
  return {
    sent: wanted === undefined
      ? pick("\\Sent", "Sent")
      : { path: wanted, exists: list.some(({ path }) => path === wanted) },
    drafts: pick("\\Drafts", "Drafts"),
    all: list.find(({ specialUse }) => specialUse === "\\All")?.path
  }
}

/** The mails of ours in an account's mailbox. */
export const sentMail = async (account: Account, { client }: Imap) => {
  const folders = foldersIn(await client.list(), account.sent)
  // Such a server files what it sends by itself; a copy of ours would be a second one.
  const filesItself = client.capabilities.has("X-GM-EXT-1")

  const inFolder = async (path: string, query: Parameters<typeof uidsOf>[1], readOnly = true) => {
    await client.mailboxOpen(path, { readOnly })
    return await uidsOf(client, query)
  }

  const ensure = async ({ exists, path }: Folder): Promise<void> => {
    if (!exists) await client.mailboxCreate(path)
  }

  const state = async (id: string): Promise<SentState> => {
    if (folders.sent.exists && (await inFolder(folders.sent.path, byId(id))).length > 0) return "sent"
    if (folders.drafts.exists) {
      const drafts = await inFolder(folders.drafts.path, byId(id))
      if (drafts.length > 0) {
        const finished = await uidsOf(client, { ...byId(id), draft: false })
        return finished.length > 0 ? "sent" : "sending"
      }
    }
    const { all } = folders
    return all !== undefined && (await inFolder(all, { ...byId(id), draft: false })).length > 0 ? "sent" : "absent"
  }

  /** Takes drafts with this id away. */
  const discard = async (id: string): Promise<void> => {
    if (!folders.drafts.exists) return
    const uids = await inFolder(folders.drafts.path, byId(id), false)
    if (uids.length > 0) await client.messageDelete(uids.join(","), { uid: true })
  }

  /** The number of the draft that `begin` has put there. */
  let draft: number | undefined

  /** Says that it is about to be sent. The folder is open before, so that `finish` has one thing to say. */
  const begin = async (message: Buffer, at: Date): Promise<void> => {
    await ensure(folders.drafts)
    folders.drafts = { ...folders.drafts, exists: true }
    await client.mailboxOpen(folders.drafts.path)
    const kept = await client.append(folders.drafts.path, message, ["\\Draft", "\\Seen"], at)
    if (kept === false) throw new Error(`the server keeps nothing in ${folders.drafts.path}`)
    draft = kept.uid
  }

  const drafted = async (id: string): Promise<ReadonlyArray<number>> => {
    const { mailbox } = client
    return draft !== undefined && mailbox !== false && mailbox.path === folders.drafts.path
      ? [draft]
      : await inFolder(folders.drafts.path, byId(id), false)
  }

  /** Says that it was sent. The flag goes first: from then on it counts, wherever the mail is. */
  const finish = async (id: string): Promise<void> => {
    const uids = await drafted(id)
    if (uids.length === 0) return
    const range = uids.join(",")
    await client.messageFlagsRemove(range, ["\\Draft"], { uid: true })
    const filed = filesItself ||
      (folders.sent.exists && (await inFolder(folders.sent.path, byId(id))).length > 0)
    if (filed) return await discard(id)
    await ensure(folders.sent)
    await client.mailboxOpen(folders.drafts.path)
    const moved = await client.messageMove(range, folders.sent.path, { uid: true })
    if (moved === false) throw new Error(`the server moves nothing to ${folders.sent.path}`)
  }

  return { state, discard, begin, finish }
}
