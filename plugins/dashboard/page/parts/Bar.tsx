/** How far something is, or how much of something is used: a bar with its words beside it, never the bar alone. */
import type { Tone } from "./Badge.tsx"

export interface BarProps {
  /** Read out by a screen reader, such as `Progress of the task Backup`. */
  readonly label: string
  /** 0 to 1; `undefined` where nobody knows. */
  readonly part: number | undefined
  /** What the bar says. */
  readonly words: string
  readonly tone?: Tone
  /** `meter`: an amount that does not go towards an end, such as a budget. Default `progressbar`. */
  readonly role?: "progressbar" | "meter"
}

export const Bar = ({ label, part, role = "progressbar", tone = "busy", words }: BarProps) => {
  const percent = part === undefined ? undefined : Math.round(Math.min(1, Math.max(0, part)) * 100)
  return (
    <span className="bar">
      <span
        role={role}
        className="bar-track"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent ?? (role === "meter" ? 0 : undefined)}
        aria-valuetext={words}
      >
        <span className={`bar-part bar-${tone}`} style={{ width: `${percent ?? 0}%` }} />
      </span>
      <span className="bar-words">{words}</span>
    </span>
  )
}
