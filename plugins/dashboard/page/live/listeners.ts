/** Those who want to hear of something; each adds itself, and gets how to take itself away again. */
export const listenersOf = <A extends ReadonlyArray<unknown>>() => {
  const all = new Set<(...given: A) => void>()
  return {
    add: (listener: (...given: A) => void) => {
      all.add(listener)
      return () => void all.delete(listener)
    },
    tell: (...given: A) => all.forEach((listener) => listener(...given))
  }
}
