/** The file of whoever called a function. Runs wherever plugins are loaded, so it knows no Node. */

/** As in `at name (file:///a/b.ts:1:2)` and `at /a/b.ts:1:2`. */
const place = /(?:\(|at (?:async )?)((?:file:\/\/)?\/[^()]*?):\d+:\d+\)?$/

/** An absolute path, or nothing where the engine does not say it. */
export const fileOfCaller = (called: (...args: never) => unknown): string | undefined => {
  const trace: { readonly stack?: string } = {}
  const capture = (Error as { readonly captureStackTrace?: (into: object, below: unknown) => void }).captureStackTrace
  if (capture === undefined) return undefined
  capture(trace, called)
  for (const line of (trace.stack ?? "").split("\n").slice(1)) {
    const found = place.exec(line.trim())?.[1]
    if (found === undefined) continue
    return found.startsWith("file://") ? decodeURIComponent(new URL(found).pathname) : found.replace(/\?.*$/, "")
  }
  return undefined
}
