/** Under the conversation, where what was said last led to nothing: it has no answer, and silence would say less. */
import { Link } from "@tanstack/react-router"
import { useEffect, useState } from "react"
import { useFeed } from "../../live/Live.tsx"
import { short } from "../../parts/Words.tsx"
import type { Said } from "./timeline.ts"

export const NotUnderstood = ({ said }: { readonly said: Said | undefined }) => {
  const feed = useFeed()
  const [unhandled, setUnhandled] = useState<ReadonlyArray<string>>([])
  useEffect(() =>
    feed.onRows((rows) => {
      const found = rows.filter(({ type }) => type === "routing.unhandled").map(({ trace_id }) => trace_id)
      // The row may be there before the answer that names its trace.
      if (found.length > 0) setUnhandled((now) => [...now, ...found].slice(-20))
    }), [feed])
  if (said === undefined || !unhandled.includes(said.trace_id)) return null
  return (
    <p className="faint" role="status">
      Nothing here understands “<bdi>{short(said.text, 60)}</bdi>”, so nothing was done. Try “set a timer for 5
      minutes”; with a model (docs/models.md) it understands more.{" "}
      <Link to="/trace/$traceId" params={{ traceId: said.trace_id }}>Its trace</Link>
    </p>
  )
}
