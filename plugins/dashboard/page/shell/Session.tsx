/**
 * Whoever opened the link of `npm start` or `syris open` is logged in by the one-time code behind its `#`; everybody else is
 * told where such a link comes from. The code is taken out of the address before anything is asked.
 */
import { useQueryClient } from "@tanstack/react-query"
import { type FormEvent, type ReactNode, useEffect, useState } from "react"
import { get, onSessionOver, post, Problem } from "../api/client.ts"
import { sentenceOf } from "../parts/Answer.tsx"

type State =
  | { readonly is: "asking" }
  | { readonly is: "in" }
  | { readonly is: "out"; readonly why: string | undefined }
  | { readonly is: "away" }

/** Of a row that a link leads to (`#` and its id), not of a login. */
const isRow = /^#[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Taken once, when the page is loaded. */
const takeCode = (): string | undefined => {
  const code = isRow.test(location.hash) ? undefined : /^#([A-Za-z0-9_-]{16,})$/.exec(location.hash)?.[1]
  if (code !== undefined) history.replaceState(null, "", location.pathname + location.search)
  return code
}
const given = takeCode()

const enter = async (code: string | undefined): Promise<State> => {
  try {
    if (code !== undefined) {
      await post("/login", { code })
      return { is: "in" }
    }
    await get("/settings")
    return { is: "in" }
  } catch (error) {
    // Also where something else answers there now.
    if (!(error instanceof Problem) || error.status < 400 || error.status >= 500) return { is: "away" }
    if (code === undefined) return { is: "out", why: undefined }
    // An old link in a browser that is logged in already.
    return get("/settings").then((): State => ({ is: "in" }), (): State => ({ is: "out", why: sentenceOf(error) }))
  }
}

let entering: Promise<State> | undefined

export const Session = ({ children }: { readonly children: ReactNode }) => {
  const client = useQueryClient()
  const [state, setState] = useState<State>({ is: "asking" })
  useEffect(() => {
    entering ??= enter(given)
    void entering.then(setState)
    return onSessionOver(() => setState((now) => now.is === "in" ? { is: "out", why: "You are logged out." } : now))
  }, [])
  useEffect(() => {
    if (state.is !== "away") return
    const timer = setTimeout(() => void enter(undefined).then(setState), 2_000)
    return () => clearTimeout(timer)
  }, [state])
  useEffect(() => {
    if (state.is !== "out") return
    // Perhaps somebody has logged in again in another tab.
    const look = () => {
      if (document.hidden) return
      void enter(undefined).then((next) => setState((now) => next.is === "in" && now.is === "out" ? next : now))
    }
    document.addEventListener("visibilitychange", look)
    addEventListener("focus", look)
    return () => {
      document.removeEventListener("visibilitychange", look)
      removeEventListener("focus", look)
    }
  }, [state])
  useEffect(() => {
    // Nothing of what was shown stays in a browser that is logged out.
    if (state.is === "out") client.clear()
  }, [client, state])
  if (state.is === "in") return <>{children}</>
  if (state.is === "asking") {
    return (
      <main className="login" aria-busy="true">
        <p className="faint">Asking the host …</p>
      </main>
    )
  }
  if (state.is === "away") {
    return (
      <main className="login">
        <h1>SYRIS does not answer</h1>
        <p role="status">
          The host at {location.host} does not answer. Start it with{" "}
          <code>npm start</code>; this page goes on by itself. Where it was started at another address, open the link
          that it printed there.
        </p>
      </main>
    )
  }
  return <Login why={state.why} onLogin={() => setState({ is: "in" })} />
}

const Login = ({ onLogin, why }: { readonly why: string | undefined; readonly onLogin: () => void }) => {
  const [code, setCode] = useState("")
  const [refusal, setRefusal] = useState(why)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const plain = code.trim().replace(/^.*#/, "")
    void post("/login", { code: plain }).then(onLogin, (error: unknown) => setRefusal(sentenceOf(error)))
  }
  return (
    <main className="login">
      <h1>Log in to SYRIS</h1>
      {refusal !== undefined && <p className="refusal" role="alert">{refusal}</p>}
      <p>
        On the machine where SYRIS runs, type <code>npm run syris open</code>{" "}
        and open the link that it prints. It is good once, for five minutes.
      </p>
      <form onSubmit={submit}>
        <label htmlFor="code">Or paste the link or its code here</label>
        <div className="row">
          <input
            id="code"
            value={code}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setCode(event.target.value)}
          />
          <button type="submit" className="button button-main" disabled={code.trim() === ""}>Log in</button>
        </div>
      </form>
    </main>
  )
}
