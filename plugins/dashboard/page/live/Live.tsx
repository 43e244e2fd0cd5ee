/** The stream of the page for its parts: whether it is connected, and the rows. */
import { useQueryClient } from "@tanstack/react-query"
import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from "react"
import { type AuditFeed, makeAuditFeed } from "./AuditFeed.ts"
import type { Connection } from "./EventStream.ts"
import { makeRefresh } from "./refresh.ts"

const Feed = createContext<AuditFeed | null>(null)

/** How long the screens wait for the stream, milliseconds. */
const patienceMs = 1_000

/**
 * The screens ask when the stream is there, or known not to be: of what changes between an answer and the first row that is
 * heard nobody would ever say that it is old.
 */
export const LiveProvider = ({ children }: { readonly children: ReactNode }) => {
  const client = useQueryClient()
  const [feed] = useState(makeAuditFeed)
  const [isBegun, setBegun] = useState(false)
  useEffect(() => {
    let isLate = false
    const patience = setTimeout(() => {
      isLate = true
      setBegun(true)
    }, patienceMs)
    const endFirst = feed.onChange(() => {
      const { is } = feed.connection()
      if (is === "connecting") return
      clearTimeout(patience)
      endFirst()
      setBegun(true)
      if (isLate && is === "live") void client.invalidateQueries()
    })
    const endRows = feed.onRows(makeRefresh(client))
    const endAnew = feed.onAnew(() => void client.invalidateQueries())
    feed.start()
    return () => {
      clearTimeout(patience)
      feed.stop()
      endFirst()
      endRows()
      endAnew()
    }
  }, [client, feed])
  return <Feed value={feed}>{isBegun ? children : <Asking />}</Feed>
}

const Asking = () => (
  <main className="login" aria-busy="true">
    <p className="faint">Asking the host …</p>
  </main>
)

export const useFeed = (): AuditFeed => {
  const feed = useContext(Feed)
  if (feed === null) throw new Error("There is no stream around this part of the page.")
  return feed
}

export const useConnection = (): Connection => {
  const feed = useFeed()
  return useSyncExternalStore(feed.onChange, feed.connection)
}
