/** Short sentences about what was done, read out by a screen reader, gone after a while; a refusal stays until it is closed. */
import { createContext, type ReactNode, useCallback, useContext, useRef, useState } from "react"

type Tell = (text: string, tone?: "good" | "bad") => void
const Tell = createContext<Tell>(() => {})

const shownMs = 6_000

export const NoticesProvider = ({ children }: { readonly children: ReactNode }) => {
  const [notices, setNotices] = useState<
    ReadonlyArray<{ readonly id: number; readonly text: string; readonly tone: "good" | "bad" }>
  >([])
  const next = useRef(0)
  const close = useCallback((id: number) => setNotices((all) => all.filter((one) => one.id !== id)), [])
  const tell = useCallback<Tell>((text, tone = "good") => {
    const id = next.current++
    setNotices((all) => [...all.slice(-4), { id, text, tone }])
    if (tone === "good") setTimeout(() => close(id), shownMs)
  }, [close])
  return (
    <Tell value={tell}>
      {children}
      <div className="notices" role="region" aria-label="Notices" aria-live="polite">
        {notices.map(({ id, text, tone }) => (
          <div key={id} className={`notice notice-${tone}`} role={tone === "bad" ? "alert" : undefined}>
            <span>{text}</span>
            <button
              type="button"
              className="link"
              onClick={() =>
                close(id)}
            >
              Close
            </button>
          </div>
        ))}
      </div>
    </Tell>
  )
}

export const useTell = (): Tell => useContext(Tell)
