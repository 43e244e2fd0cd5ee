/** `fetch` where Node runs the code: the host's own guard, since no permission of Node holds the network. */
import { guardedFetch } from "../../core/safety/GuardedFetch.ts"
import type { NamedHosts } from "../../core/safety/NamedHosts.ts"
import { makeOutgoing } from "../../core/safety/Outgoing.ts"
import type { GuestFetch } from "./Guest.ts"

export const guestFetch = (named: NamedHosts): GuestFetch => {
  const outgoing = makeOutgoing(named)
  return (signal) => guardedFetch(outgoing, signal)
}
