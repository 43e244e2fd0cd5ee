/**
 * Kinds of jobs that this host can't run now, since no plugin here has them, or theirs is not loaded: what it claims of them it
 * leaves for others and does not claim again for a while. In memory.
 */

export interface Strangers {
  /** One of this kind was claimed that can't be run here. Answers whether it has been so for so long that nobody comes any more. */
  readonly meet: (kind: string) => boolean
  /** Not to be claimed now. */
  readonly kinds: () => ReadonlyArray<string>
}

/** A kind is not claimed again for so long, milliseconds. */
const leftForMs = 5_000
/** A host that has it may be on its way back for so long. */
const patienceMs = 60_000
/** After so long without a claim it is forgotten since when it could not be run. */
const forgottenMs = 10 * patienceMs

/** `runs`: whether jobs of a kind can be run here by now. */
export const makeStrangers = (
  runs: (kind: string) => boolean,
  now: () => number = () => performance.now()
): Strangers => {
  const met = new Map<string, { readonly since: number; readonly last: number }>()
  return {
    meet: (kind) => {
      const at = now()
      const known = met.get(kind)
      const since = known === undefined || at - known.last > forgottenMs ? at : known.since
      met.set(kind, { since, last: at })
      return at - since >= patienceMs
    },
    kinds: () => {
      const at = now()
      return [...met].flatMap(([kind, { last }]) => {
        if (runs(kind)) met.delete(kind)
        return at - last < leftForMs && met.has(kind) ? [kind] : []
      })
    }
  }
}
