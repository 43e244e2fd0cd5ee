/**
 * The alarm of a watcher that fails again and again.
 */
import type { NewAlarm } from "../health/Alarms.ts"

export const watcherAlarmKey = (watcher_id: string): string => `watcher:${watcher_id}`

export const failingWatcher = (watcher_id: string, errors: number, last: string, trace_id: string): NewAlarm => ({
  type: "watcher.failing",
  severity: "error",
  dedupe_key: watcherAlarmKey(watcher_id),
  message: `The watcher ${watcher_id} has failed ${errors} times in a row, at last with: ${last.slice(0, 500)} ` +
    `Repair what it needs, or switch it off: syris watchers disable ${watcher_id}`,
  refs: { watcher_id },
  trace_id
})
