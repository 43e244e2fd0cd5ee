/** What is around every screen: the way to the others, whether the page is connected, and how many questions wait. */
import { Link, Outlet, useRouterState } from "@tanstack/react-router"
import { useEffect, useRef, useState } from "react"
import { useQuestions, useSystemState } from "../api/queries.ts"
import { LiveProvider, useConnection } from "../live/Live.tsx"
import { inWords, useNow, ZoneProvider } from "../parts/Time.tsx"

const screens = [
  ["/", "Now"],
  ["/approvals", "Approvals"],
  ["/chat", "Chat"],
  ["/activity", "Activity"],
  ["/tasks", "Tasks"],
  ["/schedules", "Schedules"],
  ["/rules", "Rules"],
  ["/watchers", "Watchers"],
  ["/integrations", "Integrations"],
  ["/jobs", "Jobs"],
  ["/plugins", "Plugins"],
  ["/memory", "Memory"],
  ["/costs", "Costs"],
  ["/settings", "Settings"]
] as const

export const Shell = () => (
  <LiveProvider>
    <ZoneProvider>
      <a href="#content" className="skip">To the content</a>
      <div className="shell">
        <Header />
        <main id="content" tabIndex={-1}>
          <NotConnected />
          <Outlet />
        </main>
      </div>
    </ZoneProvider>
  </LiveProvider>
)

const Header = () => {
  const [open, setOpen] = useState(false)
  const path = useRouterState({ select: (state) => state.location.pathname })
  const seen = useRef(path)
  useEffect(() => {
    setOpen(false)
    // A screen reader begins with the new screen, not with the link that led there.
    if (seen.current !== path) document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true })
    seen.current = path
  }, [path])
  return (
    <header className="side">
      <div className="side-top">
        <Link to="/" className="brand" aria-label="SYRIS, to Now">SYRIS</Link>
        <ConnectionLight />
        <button
          type="button"
          className="button menu-button"
          aria-expanded={open}
          aria-controls="menu"
          onClick={() => setOpen(!open)}
        >
          Menu
        </button>
      </div>
      <nav id="menu" className={open ? "menu menu-open" : "menu"} aria-label="Screens">
        <ul>
          {screens.map(([to, name]) => (
            <li key={to}>
              <Link to={to} activeOptions={{ exact: to === "/" }} activeProps={{ "aria-current": "page" }}>
                {name}
                {name === "Approvals" && <Waiting />}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
    </header>
  )
}

/** How many questions wait, beside the word: approvals, and what servers ask. */
const Waiting = () => {
  const { data } = useSystemState()
  const questions = useQuestions()
  const count = (data?.counts.approvals ?? 0) + (questions.data?.items.length ?? 0)
  return count === 0 ? null : (
    <span className="count">
      <span aria-hidden="true">{count}</span>
      <span className="unseen">, {count} waiting</span>
    </span>
  )
}

const ConnectionLight = () => {
  const connection = useConnection()
  const words = connection.is === "live" ? "Live" : connection.is === "connecting" ? "Connecting" : "Not connected"
  return (
    <span className={`light light-${connection.is}`} role="status">
      <span className="dot" aria-hidden="true" />
      {words}
    </span>
  )
}

const NotConnected = () => {
  const connection = useConnection()
  return connection.is === "lost" ? <Lost since={connection.since} why={connection.why} /> : null
}

const Lost = ({ since, why }: { readonly since: Date; readonly why: string }) => {
  const now = useNow()
  return (
    <div className="lost" role="alert">
      <strong>Not connected.</strong> {why} What you see is {inWords(now - since.getTime())}{" "}
      old. This page tries again by itself. Where SYRIS was started at another address, open the link that it printed
      there.
    </div>
  )
}
