/**
 * Tries both servers, for `syris doctor`. Changes nothing.
 */
import type { CheckContext } from "syris"
import type { Account } from "./Account.ts"
import { openImap } from "./Imap.ts"
import { openSmtp } from "./Smtp.ts"

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`

export const checkOf = (account: Account) => async (ctx: CheckContext): Promise<string> => {
  await using imap = await openImap(account, ctx)
  const folders = await imap.client.list()
  const found = folders.find(({ path }) => path.toLowerCase() === account.mailbox.toLowerCase())
  if (found === undefined) {
    throw new Error(
      `There is no folder ${account.mailbox} at ${account.imap.host}. There are: ${
        folders.slice(0, 20).map(({ path }) => path).join(", ")
      }.`
    )
  }
  const status = await imap.client.status(found.path, { messages: true })
  const idle = imap.client.capabilities.has("IDLE") ? "told of new mail at once" : "no IDLE: looks every few seconds"
  using _ = await openSmtp(account, ctx)
  const how = account.smtp.user === undefined ? "reached without a password" : `signed in as ${account.smtp.user}`
  return `${account.imap.host}: signed in as ${account.imap.user}, ${counted(folders.length, "folder")}, ${
    counted(status === false ? 0 : status.messages ?? 0, "message")
  } in ${found.path}, ${idle}; ${account.smtp.host}: ${how}${
    account.trustedSenders.size > 0 && account.trustedServer === undefined
      ? ". trustedSenders is of no use without trustedServer"
      : ""
  }`
}
