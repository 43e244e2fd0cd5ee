/** How far a run is: the newest word of it, written down at most once a second. */
import type { Progress } from "./JobFacts.ts"

/** Between two that are written, milliseconds. */
const everyMs = 1_000

export interface ProgressWriter {
  readonly say: (progress: Progress) => void
  /** Writes nothing more; answers the newest where it was not written. */
  readonly end: () => Promise<Progress | undefined>
}

/** `write` never fails. */
export const makeProgressWriter = (write: (progress: Progress) => Promise<void>): ProgressWriter => {
  let latest: Progress = {}
  let [unwritten, over, writtenAt] = [false, false, -Infinity]
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> | undefined

  const flush = (): void => {
    timer = undefined
    if (over || !unwritten) return
    unwritten = false
    writtenAt = performance.now()
    writing = write(latest).finally(() => {
      writing = undefined
      plan()
    })
  }
  const plan = (): void => {
    if (over || !unwritten || timer !== undefined || writing !== undefined) return
    timer = setTimeout(flush, Math.max(0, writtenAt + everyMs - performance.now()))
  }

  return {
    say: (progress) => {
      if (over) return
      latest = { ...latest, ...progress }
      unwritten = true
      plan()
    },
    end: async () => {
      over = true
      clearTimeout(timer)
      await writing
      return unwritten ? latest : undefined
    }
  }
}
