/** Which jobs a host holds, and for how many more it has room: in all, and of each kind. In memory. */
import type { Registry } from "../plugin/Registry.ts"

/** What the rows of `work` of a kind are marked with. No tool has such a name: calls that start jobs of it are not meant. */
export const markOf = (kind: string): string => `job:${kind}`

export interface Places {
  /** For a job of this kind, if there is room. */
  readonly take: (job_id: string, kind: string) => boolean
  /** For one that was claimed within the room that was said. */
  readonly hold: (job_id: string, mark: string | null | undefined) => void
  readonly leave: (job_id: string) => void
  /** A job was stored, and nobody heard whether that is so: it may be claimed here again, and was never run. */
  readonly doubt: (job_id: string) => void
  readonly neverRan: (job_id: string) => boolean
  readonly all: () => ReadonlyArray<string>
  /** So many that come from the queue, of whatever kind has room, find room. */
  readonly room: () => number
  /** More of a kind are held than may be: one was stored here while one was claimed. */
  readonly isOver: (kind: string) => boolean
  /** Kinds that have none. */
  readonly full: () => ReadonlyArray<string>
}

/** `freed`: told when a place was left. */
export const makePlaces = (
  most: number,
  registry: Pick<Registry["Service"], "job" | "jobs">,
  freed: () => void
): Places => {
  const held = new Map<string, string>()
  const doubted = new Set<string>()

  const left = (kind: string): number => {
    let count = 0
    for (const one of held.values()) if (one === kind) count++
    return (registry.job(kind)?.concurrency ?? most) - count
  }

  return {
    take: (job_id, kind) => {
      if (held.size >= most || left(kind) <= 0) return false
      held.set(job_id, kind)
      return true
    },
    hold: (job_id, mark) => void held.set(job_id, mark?.replace(/^job:/, "") ?? ""),
    leave: (job_id) => {
      if (held.delete(job_id)) freed()
    },
    doubt: (job_id) => {
      doubted.add(job_id)
      if (held.delete(job_id)) freed()
    },
    neverRan: (job_id) => doubted.delete(job_id),
    all: () => [...held.keys()],
    room: () => {
      const kinds = registry.jobs().map(({ kind }) => left(kind)).filter((count) => count > 0)
      return Math.max(0, Math.min(most - held.size, ...kinds))
    },
    isOver: (kind) => left(kind) < 0,
    full: () => registry.jobs().flatMap(({ kind }) => left(kind) <= 0 ? [kind] : [])
  }
}
