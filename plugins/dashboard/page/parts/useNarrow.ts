/** Whether the page is as narrow as on a phone, where the styles have it so. */
import { useSyncExternalStore } from "react"

const narrow = matchMedia("(max-width: 760px)")

const subscribe = (listener: () => void) => {
  narrow.addEventListener("change", listener)
  return () => narrow.removeEventListener("change", listener)
}

export const useNarrow = (): boolean => useSyncExternalStore(subscribe, () => narrow.matches)
