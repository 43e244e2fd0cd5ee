/** Begins nothing again before it is over: whoever asks meanwhile gets the end of what runs. Pure. */
export const makeOnceAtATime = <A>(): (run: () => Promise<A>) => Promise<A> => {
  let running: Promise<A> | undefined
  return (run) =>
    running ??= run().finally(() => {
      running = undefined
    })
}
