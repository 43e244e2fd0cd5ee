/** A question over the screen, as the browser has it: the focus stays in it, Escape closes it and gives the focus back. */
import { type ReactNode, useEffect, useId, useRef } from "react"

export interface DialogProps {
  readonly title: string
  readonly children: ReactNode
  readonly onClose: () => void
}

export const Dialog = ({ children, onClose, title }: DialogProps) => {
  const id = useId()
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const element = dialog.current
    element?.showModal()
    return () => element?.close()
  }, [])
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={id}
      // Strict mode closes and opens it once more: the event of that comes when it is open again.
      onClose={() => {
        if (dialog.current?.open !== true) onClose()
      }}
      onCancel={onClose}
    >
      <header className="card-header">
        <h2 id={id}>{title}</h2>
        <button type="button" className="link" onClick={onClose}>Close</button>
      </header>
      {children}
    </dialog>
  )
}
