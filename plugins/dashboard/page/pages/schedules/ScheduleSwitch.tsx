/** A schedule, on or off. */
import type { Schedule } from "syris/records"
import { patch } from "../../api/client.ts"
import { useAction } from "../../parts/Action.tsx"
import { Switch } from "../../parts/Switch.tsx"
import { short } from "../../parts/Words.tsx"

export const ScheduleSwitch = ({ schedule }: { readonly schedule: Schedule }) => {
  const change = useAction({
    run: (enabled: boolean) => patch<Schedule>(`/schedules/${encodeURIComponent(schedule.schedule_id)}`, { enabled }),
    touches: ["schedules", "state"],
    done: ({ enabled, name }) => `${short(name)} is ${enabled ? "on" : "off: its slots are held back"}.`
  })
  return (
    <Switch
      on={schedule.enabled}
      label={`The schedule ${short(schedule.name)}`}
      busy={change.isPending}
      onChange={(enabled) => change.mutate(enabled)}
    />
  )
}
