/** The parts of undici that are loaded by themselves: the whole of it takes three times as long. */
declare module "undici/lib/dispatcher/agent.js" {
  import type { Agent } from "undici"
  const agent: typeof Agent
  export default agent
}
declare module "undici/lib/core/connect.js" {
  import type { buildConnector } from "undici"
  const connector: typeof buildConnector
  export default connector
}
