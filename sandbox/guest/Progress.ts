/**
 * How far a run is, told as often as it is worth hearing: a loop may say it at every turn without waiting for the host. What was
 * said last is told before the run ends.
 */

const everyMs = 100

export type Said = Readonly<Record<string, unknown>>

export interface Progress {
  readonly say: (said: Said) => void
  /** Tells what was not told yet. */
  readonly flush: () => void
}

export const makeProgress = (tell: (said: Said) => void): Progress => {
  let held: Said | undefined
  let toldAt = Number.NEGATIVE_INFINITY
  let timer: ReturnType<typeof setTimeout> | undefined

  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (held === undefined) return
    const said = held
    held = undefined
    toldAt = performance.now()
    tell(said)
  }
  return {
    say: (said) => {
      held = { ...held, ...said }
      if (performance.now() - toldAt >= everyMs) flush()
      else timer ??= setTimeout(flush, everyMs)
    },
    flush
  }
}
