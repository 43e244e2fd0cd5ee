/**
 * Somebody who listens to the live audit of a host, as any client of the stream would.
 */
import type { HostProcess } from "./HostProcess.ts"

export interface AuditEar {
  readonly rows: ReadonlyArray<any>
  /** Waits until something has come that is asked for. */
  readonly until: <A>(
    what: string,
    found: (rows: ReadonlyArray<any>) => A | undefined | false,
    withinMs?: number
  ) => Promise<A>
  /** The last row of a job. */
  readonly ended: (job: { readonly job_id: string }, withinMs?: number) => Promise<any>
  readonly close: () => void
}

const ends = /^worker\.job_(succeeded|failed|canceled|timed_out)$/

/** Listens from now on. */
export const listenToAudit = async ({ request }: Pick<HostProcess, "request">): Promise<AuditEar> => {
  const rows: Array<any> = []
  const closing = new AbortController()
  const asking = new Set<() => void>()
  const response = await request("/audit/stream", { signal: closing.signal })
  const read = async () => {
    let text = ""
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      const frames = text.split("\n\n")
      text = frames.pop() ?? ""
      for (const frame of frames) {
        const data = /^data: (.*)$/m.exec(frame)?.[1]
        if (data !== undefined) rows.push(JSON.parse(data))
      }
      for (const ask of asking) ask()
    }
  }
  read().catch(() => {})
  const until: AuditEar["until"] = (what, found, withinMs = 60_000) =>
    new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        asking.delete(ask)
        const last = rows.slice(-20).map(({ summary, type }) => `${type}: ${summary}`)
        reject(new Error(`Waited ${withinMs / 1_000} s for ${what}; heard last:\n${last.join("\n")}`))
      }, withinMs)
      const ask = () => {
        const now = found(rows)
        if (now === undefined || now === false) return
        clearTimeout(late)
        asking.delete(ask)
        resolve(now)
      }
      asking.add(ask)
      ask()
    })
  return {
    rows,
    until,
    ended: ({ job_id }, withinMs) =>
      until(
        `the end of the job ${job_id}`,
        (all) => all.find(({ refs, type }) => refs.job_id === job_id && ends.test(type)),
        withinMs
      ),
    close: () => closing.abort()
  }
}
