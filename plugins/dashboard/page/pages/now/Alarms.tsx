/** Alarms that are not over: seen, or over, by the operator's word with a note. */
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import type { Alarm } from "syris/records"
import { post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Badge, StatusBadge, type Tone } from "../../parts/Badge.tsx"
import { Confirm, NoteField, noted } from "../../parts/Confirm.tsx"
import { Card } from "../../parts/Page.tsx"
import { Relative } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { counted } from "../../parts/counted.ts"

const tones: Readonly<Record<Alarm["severity"], Tone>> = { warning: "warn", error: "bad", critical: "bad" }

const traceOf = (refs: unknown): string | undefined => {
  const id = typeof refs === "object" && refs !== null ? (refs as { readonly trace_id?: unknown }).trace_id : undefined
  return typeof id === "string" ? id : undefined
}

const places = {
  "/integrations": "Integrations",
  "/plugins": "Plugins",
  "/watchers": "Watchers",
  "/costs": "Costs"
} as const

/** The screen where something can be done about it. */
const placeOf = (type: string): keyof typeof places | undefined =>
  type.startsWith("mcp.")
    ? "/integrations"
    : type.startsWith("plugin.")
    ? "/plugins"
    : type.startsWith("watcher.")
    ? "/watchers"
    : type.startsWith("llm.")
    ? "/costs"
    : undefined

interface AlarmsProps {
  /** Those that nobody has seen first. */
  readonly alarms: ReadonlyArray<Alarm>
  readonly count: number
}

export const Alarms = ({ alarms, count }: AlarmsProps) => {
  const [resolving, setResolving] = useState<Alarm>()
  const isOpen = alarms.some(({ status }) => status === "open")
  return (
    <Card title={counted(Math.max(count, alarms.length), "alarm")} tone={isOpen ? "bad" : "plain"}>
      <ul className="now-list">
        {alarms.map((one) => <AlarmItem key={one.alarm_id} alarm={one} onResolve={() => setResolving(one)} />)}
      </ul>
      {count > alarms.length && (
        <p className="now-note">And {counted(count - alarms.length, "more alarm")}: npm run syris alarms lists them.</p>
      )}
      {resolving !== undefined && <Resolve alarm={resolving} onClose={() => setResolving(undefined)} />}
    </Card>
  )
}

const AlarmItem = ({ alarm, onResolve }: { readonly alarm: Alarm; readonly onResolve: () => void }) => {
  const ack = useAction({
    run: () => post<Alarm>(`/alarms/${encodeURIComponent(alarm.alarm_id)}/ack`),
    touches: ["alarms", "state"],
    done: "The alarm is marked as seen. It stays here until it is over."
  })
  const trace = traceOf(alarm.refs)
  const place = placeOf(alarm.type)
  return (
    <li>
      <span className="now-line">
        <strong>{short(alarm.type, 80)}</strong>
        <Badge tone={tones[alarm.severity]}>{alarm.severity}</Badge>
        {alarm.status !== "open" && <StatusBadge status={alarm.status} />}
        <span className="faint now-end">
          <Relative at={alarm.opened_at} />
        </span>
      </span>
      <Words text={alarm.message} most={300} />
      {alarm.note !== undefined && (
        <span className="faint">
          Note: <Words text={alarm.note} most={200} />
        </span>
      )}
      <span className="actions">
        {alarm.status === "open" && (
          <Button
            label={`Seen: the alarm ${short(alarm.type, 80)}`}
            busy={ack.isPending}
            onClick={() => ack.mutate(undefined)}
          >
            Seen
          </Button>
        )}
        <Button label={`Resolve the alarm ${short(alarm.type, 80)}`} onClick={onResolve}>Resolve …</Button>
        {place !== undefined && <Link to={place}>{places[place]}</Link>}
        {trace !== undefined && <Link to="/trace/$traceId" params={{ traceId: trace }}>Its trace</Link>}
      </span>
    </li>
  )
}

const Resolve = ({ alarm, onClose }: { readonly alarm: Alarm; readonly onClose: () => void }) => {
  const [note, setNote] = useState("")
  const resolve = useAction({
    run: () => post<Alarm>(`/alarms/${encodeURIComponent(alarm.alarm_id)}/resolve`, noted("note", note)),
    touches: ["alarms", "state", "health"],
    done: "The alarm is resolved.",
    onDone: onClose,
    tellsRefusal: false
  })
  return (
    <Confirm
      title={`Resolve ${short(alarm.type, 60)}`}
      tone="main"
      yes="Resolve"
      no="Leave it"
      act={resolve}
      onYes={() => resolve.mutate(undefined)}
      onClose={onClose}
    >
      <p>
        <Words text={alarm.message} most={500} />
      </p>
      <p>Resolve it when what it says is over. If the same comes again, a new alarm opens.</p>
      <NoteField label="Note" hint="Kept with the alarm. It may stay empty." value={note} onChange={setNote} />
    </Confirm>
  )
}
