/**
 * `syris open`: a link to the operator's page that logs a browser in, once.
 */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { visible, visibleJson } from "../contract/Visible.ts"
import { Client } from "./client.ts"
import { json } from "./flags.ts"
import { localTime } from "./layout.ts"

interface LoginCode {
  readonly url: string
  readonly expires_at: string
}

export const open = Command.make(
  "open",
  { json },
  Effect.fn(function*({ json }) {
    const client = yield* Client
    const { body } = yield* client.request("/login/codes", { method: "POST" })
    if (json) return yield* Console.log(visibleJson(body, 2))
    const { expires_at, url } = body as LoginCode
    // To the second is enough for a person.
    const until = localTime(visible(expires_at)).slice(11, 19)
    yield* Console.log(visible(url))
    yield* Console.log(`Open it in a browser: it logs that one in, once, until ${until}.`)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Print a link to the page of the running SYRIS that logs a browser in; it is good once, for five minutes"
  ),
  Command.withShortDescription("Print a link that logs a browser in")
)
