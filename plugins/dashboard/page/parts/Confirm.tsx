/** A question before something is done that matters: it says what will happen, and what the host says to it stands in it. */
import type { FormEvent, ReactNode } from "react"
import { Button } from "./Action.tsx"
import { Refusal } from "./Answer.tsx"
import { Dialog } from "./Dialog.tsx"
import { Field } from "./Field.tsx"

export interface ConfirmProps {
  readonly title: string
  /** What will happen, and fields if there are some: Enter in them is yes. */
  readonly children: ReactNode
  /** The words of the button that does it. */
  readonly yes: string
  /** Those of the one that leaves everything as it is. */
  readonly no: string
  /** `bad`: it can't be taken back, or lets more happen. */
  readonly tone: "main" | "bad"
  /** A `useAction` with `tellsRefusal: false`. */
  readonly act: { readonly isPending: boolean; readonly error: unknown }
  readonly disabled?: boolean
  readonly onYes: () => void
  readonly onClose: () => void
}

export const Confirm = (
  { act, children, disabled = false, no, onClose, onYes, title, tone, yes }: ConfirmProps
) => {
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (!disabled) onYes()
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        {children}
        <Refusal error={act.error} />
        <div className="actions">
          <button
            type="submit"
            className={`button button-${tone}`}
            disabled={disabled || act.isPending}
            aria-busy={act.isPending}
          >
            {yes}
          </button>
          <Button onClick={onClose}>{no}</Button>
        </div>
      </form>
    </Dialog>
  )
}

export interface NoteFieldProps {
  readonly label: string
  /** With what it is kept. */
  readonly hint: string
  readonly value: string
  readonly onChange: (text: string) => void
}

/** A line that the operator may write about what is done. */
export const NoteField = ({ hint, label, onChange, value }: NoteFieldProps) => (
  <Field label={label} hint={hint}>
    {(parts) => (
      <input
        {...parts}
        value={value}
        maxLength={1_000}
        autoComplete="off"
        onChange={(event) => onChange(event.target.value)}
      />
    )}
  </Field>
)

/** A note as it is sent: nothing where nothing was written. */
export const noted = <N extends string>(name: N, text: string): { readonly [K in N]?: string } =>
  (text.trim() === "" ? {} : { [name]: text.trim() }) as { readonly [K in N]?: string }
