/** The host in numbers: what is in the queue, which hosts share the work, and the versions. */
import type { State, SystemHealth } from "syris/records"
import { Card, Facts } from "../../parts/Page.tsx"
import { inWords, Relative, Time } from "../../parts/Time.tsx"
import { counted } from "../../parts/counted.ts"

export const HostFacts = ({ health, state }: { readonly state: State; readonly health: SystemHealth | undefined }) => {
  const { node, postgres, schema, syris } = state.versions
  return (
    <Card title="Host">
      <Facts
        of={[
          ["In the queue", `${counted(state.queue_depth, "piece")} of work`],
          [
            "Set up",
            `${counted(state.counts.schedules, "schedule")} and ${
              counted(state.counts.watchers, "watcher")
            } switched on`
          ],
          ["Running for", health === undefined ? undefined : inWords(health.uptime_seconds * 1_000)],
          [
            state.hosts.length === 1 ? "Host" : "Hosts that share the work",
            (
              <ul className="now-plain">
                {state.hosts.map((one) => (
                  <li key={one.host_id}>
                    <code>{one.host_id.slice(-12)}</code>, since <Time at={one.started_at} />, heard of{" "}
                    <Relative at={one.beat_at} />
                  </li>
                ))}
              </ul>
            )
          ],
          ["Versions", `SYRIS ${syris}, Node ${node}, PostgreSQL ${postgres}, schema ${schema}`]
        ]}
      />
    </Card>
  )
}
