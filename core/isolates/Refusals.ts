/**
 * What isolates asked for and were not granted, as it is written down. A row stays for ever, and they may ask a hundred times a
 * second, in ever new words: each plugin has so many rows a minute, and what is more is counted.
 */

/** Of one plugin in a minute. */
export const mostRefusals = 10
const perMs = 60_000

interface Minute {
  readonly began: number
  readonly said: Set<string>
  more: number
}

/** `write`: one row. `now`: milliseconds since some moment. */
export const makeRefusals = (
  now: () => number,
  write: (plugin: string, sentence: string) => void
): (plugin: string, sentence: string) => void => {
  const minutes = new Map<string, Minute>()
  return (plugin, sentence) => {
    let minute = minutes.get(plugin)
    if (minute === undefined || now() - minute.began >= perMs) {
      const more = minute?.more ?? 0
      minute = { began: now(), said: new Set(), more: 0 }
      minutes.set(plugin, minute)
      if (more > 0) write(plugin, `Plugin ${plugin} asked ${more} more times for what it was not granted.`)
    }
    if (minute.said.has(sentence)) return
    if (minute.said.size >= mostRefusals) {
      minute.more++
      return
    }
    minute.said.add(sentence)
    write(plugin, sentence)
  }
}
