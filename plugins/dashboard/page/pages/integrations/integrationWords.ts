/** How an integration is, in words; and which one wants the operator first. Pure. */
import type { Integration } from "syris/records"

type How = Pick<Integration, "kind" | "state" | "health">

export const stateInWords = ({ health, kind, state }: How): string => {
  switch (state) {
    case "connected":
      return health === "healthy" ? "connected" : "connected, but not well"
    case "connecting":
      return "connecting"
    case "reconnecting":
      return "not connected; it is tried again by itself"
    case "sign_in":
      return "waits for you to sign in"
    case "off":
      return kind === "mcp" ? "switched off: its tools are gone" : "switched off: its events are dropped"
  }
}

export const toneOf = ({ health, state }: How): "good" | "busy" | "warn" | "bad" | "plain" =>
  state === "off"
    ? "plain"
    : state === "connecting"
    ? "busy"
    : state === "connected" && health === "healthy"
    ? "good"
    : health === "down"
    ? "bad"
    : "warn"

/** What wants the operator comes first, then what is not well, then what is; what is off at the end. */
export const inOrder = <A extends How & Pick<Integration, "integration_id">>(
  all: ReadonlyArray<A>
): ReadonlyArray<A> => {
  const rank = (one: A): number =>
    one.state === "off"
      ? 3
      : one.state === "sign_in"
      ? 0
      : one.state === "connected" && one.health === "healthy"
      ? 2
      : 1
  return all.toSorted((a, b) => rank(a) - rank(b) || (a.integration_id < b.integration_id ? -1 : 1))
}

/** What switching one means, before it is done. */
export const switchInWords = (kind: Integration["kind"], on: boolean): string =>
  kind === "mcp"
    ? on
      ? "The server is connected again, and its tools can be used where the gates allow it."
      : "The server is disconnected and its tools are gone, in every host, until you switch it on again."
    : on
    ? "Its events are taken again from now on. Those that came meanwhile stay dropped."
    : "Events that come on it are dropped, each with a row in the activity, in every host, until you switch it on again."

/** Where a link may lead that a server gave: the web, and nothing else. */
export const webAddress = (given: string): string | undefined => {
  try {
    const url = new URL(given)
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : undefined
  } catch {
    return undefined
  }
}
