/** Search over everything that came in and was done, and what comes live. What is looked for is in the address. */
import { useNavigate, useSearch } from "@tanstack/react-router"
import { useCallback, useState } from "react"
import { addressOf } from "../../api/client.ts"
import { Page } from "../../parts/Page.tsx"
import { Switch } from "../../parts/Switch.tsx"
import type { ActivitySearch } from "../../router.tsx"
import "./activity.css"
import { queryOf } from "./filter.ts"
import { Results } from "./Results.tsx"
import { SearchForm } from "./SearchForm.tsx"

export const Activity = () => {
  const search = useSearch({ from: "/activity" })
  const navigate = useNavigate({ from: "/activity" })
  const [follow, setFollow] = useState(true)
  const [times, setTimes] = useState(0)
  const onSearch = useCallback(
    (next: ActivitySearch) => void navigate({ search: next, replace: true, resetScroll: false }),
    [navigate]
  )
  const query = queryOf(search)
  return (
    <Page
      title="Activity"
      actions={
        <>
          <span className="row">
            <span>Follow</span>
            <Switch
              on={follow}
              label="Follow what comes live"
              onChange={(on) => {
                setFollow(on)
                // What came meanwhile is asked for.
                if (on) setTimes(times + 1)
              }}
            />
          </span>
          <a className="button" href={addressOf("/export", { kind: search.kind ?? "audit", ...query })} download>
            Export as JSON lines
          </a>
        </>
      }
    >
      <div className="stack">
        <SearchForm search={search} onSearch={onSearch} />
        <Results key={JSON.stringify([search.kind, query, times])} search={search} follow={follow} />
      </div>
    </Page>
  )
}
