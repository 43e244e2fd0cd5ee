/** Which approval a person means: its number, its id, or the beginning or end of that. */
import { Effect } from "effect"
import type { Approval } from "../contract/Approval.ts"
import { Client } from "./client.ts"
import { failed } from "./CommandFailed.ts"
import { isWholeId, listed, meantId } from "./list.ts"
import { visible } from "../contract/Visible.ts"

/** The short form of an id is longer. */
const isNumber = (text: string): boolean => /^#?\d{1,10}$/.test(text)

/** The record as it is now. */
export const findApproval = Effect.fn("approvals.find")(function*(given: string) {
  if (isNumber(given)) {
    const number = given.replace("#", "")
    const { items: [found] } = yield* listed<Approval>("/approvals", { number }, 1)
    return found ??
      (yield* failed(`No approval has the number ${visible(number)}: see all with syris approvals --all.`))
  }
  const id = isWholeId(given) ? given : yield* searched(given)
  const client = yield* Client
  const { body } = yield* client.request(`/approvals/${id}`)
  return body as Approval
})

const searched = Effect.fn("approvals.search")(function*(part: string) {
  const pending = yield* listed<Approval>("/approvals", { status: "pending" }, 500)
  const newest = yield* listed<Approval>("/approvals", {}, 500)
  const ids = [...pending.items, ...newest.items].map((one) => one.approval_id)
  return yield* meantId(part, ids, "pending and newest approvals")
})
