/** The windows in which what is not urgent waits: listed, switched, made and changed. */
import { useState } from "react"
import type { QuietHoursRecord } from "syris/records"
import { put } from "../../api/client.ts"
import { type PageOf, useAnswer } from "../../api/queries.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { Badge } from "../../parts/Badge.tsx"
import { Card, Nothing } from "../../parts/Page.tsx"
import { Switch } from "../../parts/Switch.tsx"
import { short } from "../../parts/Words.tsx"
import { bodyOf, days, windowInWords } from "../../parts/quietHours.ts"
import { QuietHoursDialog } from "./QuietHoursDialog.tsx"

export const QuietHours = () => {
  const answer = useAnswer<PageOf<QuietHoursRecord>>(["quiet-hours"], "/quiet-hours", { limit: 500 })
  const [editing, setEditing] = useState<QuietHoursRecord | "new">()
  return (
    <Card title="Quiet hours" actions={<Button onClick={() => setEditing("new")}>New quiet hours</Button>}>
      <p className="settings-note">
        Within them what is not urgent waits: schedules, rules and notices that say that they keep quiet hours.
      </p>
      <Answered answer={answer}>
        {({ items }) => (
          <>
            {items.length === 0
              ? <Nothing>There are none: nothing is held back at night. “New quiet hours” makes some.</Nothing>
              : (
                <ul className="settings-list">
                  {items.map((one) => <Hours key={one.quiet_hours_id} hours={one} onEdit={() => setEditing(one)} />)}
                </ul>
              )}
            {editing !== undefined && (
              <QuietHoursDialog
                hours={editing === "new" ? undefined : editing}
                taken={items.map(({ quiet_hours_id }) => quiet_hours_id)}
                onClose={() => setEditing(undefined)}
              />
            )}
          </>
        )}
      </Answered>
    </Card>
  )
}

const Hours = ({ hours, onEdit }: { readonly hours: QuietHoursRecord; readonly onEdit: () => void }) => {
  const name = short(hours.quiet_hours_id, 60)
  const change = useAction({
    run: (enabled: boolean) =>
      put<QuietHoursRecord>(
        `/quiet-hours/${encodeURIComponent(hours.quiet_hours_id)}`,
        bodyOf({
          start: hours.start,
          end: hours.end,
          timezone: hours.timezone,
          days: hours.days ?? days,
          enabled
        })
      ),
    touches: ["quiet-hours"],
    done: ({ enabled }) => `The quiet hours ${name} are ${enabled ? "on" : "off"}.`
  })
  return (
    <li>
      <div>
        <strong>
          <bdi>{name}</bdi>
        </strong>
        <div>{windowInWords(hours)}</div>
        {hours.origin === "config" && (
          <div className="faint">
            From the configuration (<code>safety.quietHours</code>): changed there, then SYRIS is started again.
          </div>
        )}
      </div>
      <div className="actions">
        {hours.origin === "config"
          ? <Badge tone={hours.enabled ? "good" : "plain"}>{hours.enabled ? "on" : "off"}</Badge>
          : (
            <>
              <Switch
                on={hours.enabled}
                busy={change.isPending}
                label={`The quiet hours ${name}`}
                onChange={(enabled) => change.mutate(enabled)}
              />
              <Button label={`Change the quiet hours ${name}`} onClick={onEdit}>Change</Button>
            </>
          )}
      </div>
    </li>
  )
}
