/** On or off, as the host has it: it turns when the host has said so, and is busy until then. */
export interface SwitchProps {
  readonly on: boolean
  readonly onChange: (on: boolean) => void
  /** What is switched, such as `The rule Porch light`. Read out by a screen reader. */
  readonly label: string
  readonly busy?: boolean
  readonly disabled?: boolean
}

export const Switch = ({ busy = false, disabled = false, label, on, onChange }: SwitchProps) => (
  <button
    type="button"
    role="switch"
    className="switch"
    aria-checked={on}
    aria-label={label}
    aria-busy={busy}
    // Not `disabled` while it is busy: the focus stays where it was.
    aria-disabled={busy}
    disabled={disabled}
    onClick={() => {
      if (!busy) onChange(!on)
    }}
  >
    <span className="switch-track" aria-hidden="true">
      <span className="switch-thumb" />
    </span>
    <span aria-hidden="true">{busy ? "…" : on ? "On" : "Off"}</span>
  </button>
)
