/** Does something at the next frame, once however often it is asked for. A tab that nobody sees has no frames: there it waits a moment. */
export const onceAFrame = (run: () => void): () => void => {
  let isAsked = false
  const now = (): void => {
    isAsked = false
    run()
  }
  return () => {
    if (isAsked) return
    isAsked = true
    if (document.hidden) setTimeout(now, 100)
    else requestAnimationFrame(now)
  }
}
