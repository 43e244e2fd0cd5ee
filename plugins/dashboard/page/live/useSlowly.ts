/**
 * What a store holds, drawn at most once in so long, and in pieces between which the browser may draw a frame: for what changes
 * faster than anybody reads. Another store is drawn at once.
 */
import { startTransition, useEffect, useState } from "react"

export const useSlowly = <A>(
  onChange: (listener: () => void) => () => void,
  now: () => A,
  everyMs: number
): A => {
  const [drawn, setDrawn] = useState(() => ({ now, value: now() }))
  if (drawn.now !== now) setDrawn({ now, value: now() })
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const look = (): void => {
      timer = undefined
      const value = now()
      startTransition(() => setDrawn((before) => before.value === value ? before : { now, value }))
    }
    // What changed between the first drawing and now.
    look()
    const end = onChange(() => {
      timer ??= setTimeout(look, everyMs)
    })
    return () => {
      end()
      clearTimeout(timer)
    }
  }, [everyMs, now, onChange])
  return drawn.value
}
