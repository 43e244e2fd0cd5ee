/** Something that the operator has done: the button while it is done, and what the host says to it. */
import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query"
import { type ReactNode, useState } from "react"
import { useTell } from "./Notices.tsx"
import { sentenceOf } from "./Answer.tsx"
import { makeOnceAtATime } from "./onceAtATime.ts"

export interface ActionOptions<I, A> {
  readonly run: (input: I) => Promise<A>
  /** First parts of the keys whose answers are old then. */
  readonly touches: ReadonlyArray<string>
  /** What is said when it is done; nothing without it. */
  readonly done?: string | ((answer: A, input: I) => string)
  readonly onDone?: (answer: A, input: I) => void
  /** `false` where its `error` is shown beside what was asked, as in a dialog. Default: the host's sentence is told as a notice. */
  readonly tellsRefusal?: false
}

/** An act of the operator. It is done once a click: never repeated by itself, and not begun again before it is over. */
export const useAction = <I, A>(options: ActionOptions<I, A>) => {
  const client = useQueryClient()
  const tell = useTell()
  const [once] = useState(makeOnceAtATime<A>)
  const act = useMutation({
    mutationFn: options.run,
    retry: false,
    onSuccess: (answer, input) => {
      const { done } = options
      if (done !== undefined) tell(typeof done === "string" ? done : done(answer, input))
      options.onDone?.(answer, input)
    },
    onError: (error) => {
      if (options.tellsRefusal !== false) tell(sentenceOf(error), "bad")
    },
    onSettled: () =>
      Promise.all(
        options.touches.map((word): Promise<void> => client.invalidateQueries({ queryKey: [word] satisfies QueryKey }))
      )
  })
  // The button is off only when it was drawn anew: the second click of a double click may come before.
  const mutateAsync = (input: I): Promise<A> => once(() => act.mutateAsync(input))
  return {
    ...act,
    mutateAsync,
    /** What it is refused with is told, or its `error`. */
    mutate: (input: I): void => void mutateAsync(input).catch(() => {})
  }
}

export interface ButtonProps {
  readonly children: ReactNode
  readonly onClick: () => void
  readonly busy?: boolean
  readonly disabled?: boolean
  readonly tone?: "plain" | "main" | "bad"
  /** Where the words alone do not say of what. */
  readonly label?: string
  /** A key that does the same, shown beside the words. */
  readonly shortcut?: string
}

export const Button = (
  { busy = false, children, disabled = false, label, onClick, shortcut, tone = "plain" }: ButtonProps
) => (
  <button
    type="button"
    className={`button button-${tone}`}
    disabled={disabled || busy}
    aria-busy={busy}
    aria-label={label}
    aria-keyshortcuts={shortcut}
    onClick={onClick}
  >
    {children}
    {shortcut !== undefined && <kbd aria-hidden="true">{shortcut}</kbd>}
  </button>
)
