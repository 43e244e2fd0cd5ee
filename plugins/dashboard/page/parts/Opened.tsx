/** Something that is closed until the operator opens it, and not laid out before. */
import { type ReactNode, useState } from "react"
import { Json } from "./Words.tsx"

export const Opened = ({ children, label }: { readonly label: string; readonly children: () => ReactNode }) => {
  const [open, setOpen] = useState(false)
  return (
    <details className="opened" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{label}</summary>
      {open && <div className="opened-inside">{children()}</div>}
    </details>
  )
}

/** JSON to be opened; nothing where there is none. */
export const OpenedJson = ({ label, value }: { readonly label: string; readonly value: unknown }) =>
  isNothing(value) ? null : <Opened label={label}>{() => <Json value={value} />}</Opened>

const isNothing = (value: unknown): boolean =>
  value === undefined || value === null ||
  (typeof value === "object" && !Array.isArray(value) && Object.keys(value).length === 0)
