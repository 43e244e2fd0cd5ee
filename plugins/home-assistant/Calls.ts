/**
 * Calls of Home Assistant's services: each sent once, with an answer that says whether it was taken.
 */
import { ToolRefused, ToolUnknown } from "syris"
import type { Deed } from "./Actions.ts"
import type { Bound } from "./Binding.ts"
import { deedFor, reachedBy } from "./Difference.ts"
import type { Link } from "./Link.ts"
import { NoConnection } from "./Trouble.ts"
import { domainOf, type HaState, isHaError, wordsOf } from "./Wire.ts"

/** Home Assistant answers when the service is done. */
const serviceMs = 20_000
/** How long the states may take to follow. */
export const followMs = 2_000

export interface ServiceCall {
  readonly domain: string
  readonly service: string
  readonly data: Readonly<Record<string, unknown>>
  readonly entityIds: ReadonlyArray<string>
}

/** One call for each service: that of the kind of things with most to lose comes first, so that a refusal leaves most undone. */
export const callsFor = (bound: Bound, code?: (entityId: string) => string | undefined): ReadonlyArray<ServiceCall> => {
  const groups = Map.groupBy(bound.target, (id) => `${domainOf(id)}\n${code?.(id) ?? ""}`)
  return [...groups].map(([, entityIds]) => {
    const [id] = entityIds
    const deed: Deed | undefined = deedFor(id!, bound.action)
    if (deed === undefined) {
      throw new ToolRefused(`${id!} can't do that: name things by their entity ids, or as they are called.`)
    }
    const secret = code?.(id!)
    return {
      domain: domainOf(id!),
      service: deed.service,
      data: { ...deed.data?.(bound), ...(secret === undefined ? {} : { code: secret }) },
      entityIds
    }
  })
}

/** What Home Assistant says before it has done anything. */
const refusals = new Set(["not_found", "invalid_format", "service_validation_error", "unauthorized", "unknown_command"])

/** Calls them one after the other. Throws `ToolRefused` where nothing was done, `ToolUnknown` where something may have been. */
export const callServices = async (link: Link, calls: ReadonlyArray<ServiceCall>): Promise<void> => {
  const done: Array<string> = []
  for (const { data, domain, entityIds, service } of calls) {
    try {
      await link.ask({
        type: "call_service",
        domain,
        service,
        service_data: data,
        ...(entityIds.length === 0 ? {} : { target: { entity_id: entityIds } })
      }, serviceMs)
      done.push(`${domain}.${service}`)
    } catch (error) {
      const before = done.length === 0 ? "" : ` ${done.join(", ")} had been done before it.`
      if (error instanceof NoConnection || (isHaError(error) && refusals.has(String(error.code)))) {
        const words = error instanceof NoConnection
          ? wordsOf(error)
          : `Home Assistant refused ${domain}.${service}: ${wordsOf(error)}`
        throw done.length === 0 ? new ToolRefused(words) : new ToolUnknown(words + before)
      }
      throw new ToolUnknown(
        (isHaError(error)
          ? `Home Assistant failed in ${domain}.${service}, and may have done it: ${wordsOf(error)}`
          : `Whether Home Assistant has done ${domain}.${service} is not known. ${wordsOf(error)}`) + before
      )
    }
  }
}

/** Waits until the states are as they are wanted, or as long as is sensible. */
export const followed = (link: Link, bound: Bound, signal: AbortSignal, ms = followMs): Promise<void> =>
  new Promise((resolve) => {
    const stateOf = (id: string): HaState | undefined => link.states.get(id)
    const isThere = () => bound.target.every((id) => reachedBy(id, stateOf(id), bound) !== "no")
    const end = () => {
      clearTimeout(timer)
      leave()
      signal.removeEventListener("abort", end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    const leave = link.onState(() => {
      if (isThere()) end()
    })
    signal.addEventListener("abort", end, { once: true })
    if (signal.aborted || isThere()) end()
  })
