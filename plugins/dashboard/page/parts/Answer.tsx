/** What is shown while an answer is not there, or when there will be none. */
import type { ReactNode } from "react"
import { visible } from "syris/visible"
import { Problem } from "../api/client.ts"

export const sentenceOf = (error: unknown): string =>
  error instanceof Problem || error instanceof Error ? visible(error.message) : "Something went wrong."

/** A refusal in the host's own words. */
export const Refusal = ({ error }: { readonly error: unknown }) =>
  error === null || error === undefined ? null : <p className="refusal" role="alert">{sentenceOf(error)}</p>

/** That nobody answers is said above every screen. */
const isOfConnection = (error: unknown): boolean => error instanceof Problem && error.status === 0

/**
 * The children with the answer, once there is one. What was there stays while it is asked for again; where the host refuses that, or
 * the next page, it is said above it.
 */
export const Answered = <A extends NonNullable<unknown>>(
  { answer, children }: {
    readonly answer: { readonly data: A | undefined; readonly error: unknown; readonly isPending: boolean }
    readonly children: (data: A) => ReactNode
  }
) => {
  if (answer.data !== undefined) {
    return (
      <>
        {!isOfConnection(answer.error) && <Refusal error={answer.error} />}
        {children(answer.data)}
      </>
    )
  }
  if (answer.error !== null) return <Refusal error={answer.error} />
  return <p className="faint" aria-busy="true">Asking the host …</p>
}
