/** A field of a form: its name, a line that explains it, and what is wrong with it. */
import { type ReactNode, useId } from "react"
import { visible } from "syris/visible"
import { type ReadJson, readJson } from "./readJson.ts"

export interface FieldParts {
  readonly id: string
  readonly "aria-describedby": string | undefined
}

export interface FieldProps {
  readonly label: string
  /** One line: what it is for, in plain words. */
  readonly hint?: ReactNode
  /** Gets the id that the label names, and that of the hint. */
  readonly children: (parts: FieldParts) => ReactNode
}

export const Field = ({ children, hint, label }: FieldProps) => {
  const id = useId()
  const hintId = `${id}-hint`
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-describedby": hint === undefined ? undefined : hintId })}
      {hint !== undefined && <small id={hintId} className="faint">{hint}</small>}
    </div>
  )
}

export interface JsonFieldProps {
  readonly label: string
  readonly hint?: ReactNode
  readonly value: string
  readonly onChange: (text: string) => void
  readonly rows?: number
  /** What is wrong with it. Default: where it is no JSON. */
  readonly read?: (text: string) => ReadJson
}

/** JSON to be typed. What is not JSON yet is said below it. */
export const JsonField = ({ hint, label, onChange, read: readIt = readJson, rows = 6, value }: JsonFieldProps) => {
  const read = readIt(value)
  return (
    <>
      <Field label={label} hint={hint}>
        {(parts) => (
          <textarea
            {...parts}
            className="code"
            rows={rows}
            value={value}
            spellCheck={false}
            autoComplete="off"
            aria-invalid={!read.ok}
            onChange={(event) => onChange(event.target.value)}
          />
        )}
      </Field>
      {!read.ok && <p className="refusal">{visible(read.mistake)}</p>}
    </>
  )
}
