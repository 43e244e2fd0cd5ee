/** The stream of the page for its parts: whether it is connected, and the rows. */
import { useQueryClient } from "@tanstack/react-query"
import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from "react"
import { type AuditFeed, makeAuditFeed } from "./AuditFeed.ts"
import type { Connection } from "./EventStream.ts"
import { makeRefresh } from "./refresh.ts"

const Feed = createContext<AuditFeed | null>(null)

export const LiveProvider = ({ children }: { readonly children: ReactNode }) => {
  const client = useQueryClient()
  const [feed] = useState(makeAuditFeed)
  useEffect(() => {
    const endRows = feed.onRows(makeRefresh(client))
    const endAnew = feed.onAnew(() => void client.invalidateQueries())
    feed.start()
    return () => {
      feed.stop()
      endRows()
      endAnew()
    }
  }, [client, feed])
  return <Feed value={feed}>{children}</Feed>
}

export const useFeed = (): AuditFeed => {
  const feed = useContext(Feed)
  if (feed === null) throw new Error("There is no stream around this part of the page.")
  return feed
}

export const useConnection = (): Connection => {
  const feed = useFeed()
  return useSyncExternalStore(feed.onChange, feed.connection)
}
