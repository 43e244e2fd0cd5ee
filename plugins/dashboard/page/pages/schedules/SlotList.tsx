/** Moments to come, in the operator's zone; beside each what the clock of the schedule's zone says, where that is another. */
import { Relative, Time, useZone } from "../../parts/Time.tsx"
import { wallClock } from "./scheduleWords.ts"

export const SlotList = ({ slots, timezone }: { readonly slots: ReadonlyArray<string>; readonly timezone: string }) => {
  const zone = useZone()
  const isElsewhere = timezone !== "" && timezone !== zone.timezone
  return (
    <>
      {isElsewhere && (
        <p className="faint">In your zone, {zone.timezone}; in brackets in that of the schedule, {timezone}.</p>
      )}
      <ol className="slots">
        {slots.map((slot) => (
          <li key={slot}>
            <Time at={slot} />
            {isElsewhere && <span className="faint">({wallClock(slot, timezone) ?? timezone})</span>}
            <span className="faint">
              <Relative at={slot} />
            </span>
          </li>
        ))}
      </ol>
    </>
  )
}
