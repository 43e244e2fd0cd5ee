/**
 * E-mail: in by IMAP, out by SMTP; one entry for each account.
 *
 * - Each mail becomes one event, by its Message-ID. Mail that nobody wrote, and mail that came back, has no text and is not
 *   answered.
 * - Events are untrusted. Mail of a sender on the operator's list is trusted where the operator's own server vouches for it.
 * - A mail goes out once: its Message-ID comes from the call, and the mailbox says how far it came (`SentMail.ts`).
 */
import { definePlugin } from "syris"
import { accountOf, Options } from "./Account.ts"
import { checkOf } from "./Check.ts"
import { receiveInto } from "./Inbox.ts"
import { searchTools } from "./Search.ts"
import { sendBy } from "./Send.ts"

export default definePlugin({
  name: "email",
  version: "0.1.0",
  options: Options,
  instance: ({ name }) => name,
  setup: ({ log, options }) => {
    const account = accountOf(options)
    const trusts = account.trustedSenders.size > 0 || account.operator !== undefined
    if (trusts && account.trustedServer === undefined) {
      log.warn("Nobody's mail is trusted, and no approval is given by mail, until trustedServer is set.")
    }
    return {
      channels: [{
        name: "email",
        connector_id: account.connector,
        trust: "untrusted",
        raises: "trusted",
        exclusive: true,
        ...(account.operator === undefined ? {} : { operator: { to: account.operator } }),
        receive: receiveInto(account),
        check: checkOf(account),
        send: sendBy(account)
      }],
      tools: searchTools(account)
    }
  }
})
