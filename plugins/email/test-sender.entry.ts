/**
 * A host that does nothing but send one mail, for tests that kill it: `{ options, key, mail }` in JSON as its argument.
 */
import { accountOf } from "./Account.ts"
import { deliver } from "./Delivery.ts"

const { key, mail, options } = JSON.parse(process.argv[2]!)
const quiet = () => {}
await deliver(accountOf(options), mail, {
  key,
  log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  now: new Date(),
  secret: async (option) => String(option),
  signal: new AbortController().signal
})
process.stdout.write("sent\n")
