/**
 * What the operator does with one approval, by a button or a key. What is approved is what was shown: its hash goes with the yes,
 * and the host refuses anything else.
 */
import { type RefObject, useState } from "react"
import type { Approval } from "syris/records"
import { post } from "../../api/client.ts"
import { useAction } from "../../parts/Action.tsx"
import { useTell } from "../../parts/Notices.tsx"
import { short } from "../../parts/Words.tsx"
import type { Deed } from "./keys.ts"
import type { Steadiness } from "./useSteady.ts"

export interface Deciding {
  readonly approval: Approval
  readonly isReady: boolean
  readonly isBusy: boolean
  /** The host's last word, where it was no. */
  readonly refusal: unknown
  /** What is asked now, in a dialog. */
  readonly asks: Deed | undefined
  readonly act: (deed: Deed, by: "key" | "click") => void
  readonly close: () => void
  /** Approves, without asking again. */
  readonly approve: () => Promise<Approval>
}

/** Of what is asked once more. */
const isGrave = ({ risk }: Approval): boolean => risk === "high" || risk === "critical"

export const useDeciding = (
  approval: Approval,
  card: RefObject<HTMLElement | null>,
  steadiness: Steadiness,
  isOpen: boolean
): Deciding => {
  const tell = useTell()
  const [asks, setAsks] = useState<Deed | undefined>()
  const approve = useAction<void, Approval>({
    run: () =>
      post<Approval>(`/approvals/${encodeURIComponent(approval.approval_id)}/approve`, {
        what_hash: approval.what_hash
      }),
    touches: ["approvals", "state"],
    done: `Approved ${approval.number}: ${short(approval.tool)} runs once.`,
    // The button that had the focus goes.
    onDone: () => card.current?.focus({ preventScroll: true }),
    tellsRefusal: false
  })
  return {
    approval,
    isReady: isOpen && steadiness.isReady,
    isBusy: approve.isPending,
    refusal: approve.error,
    asks: isOpen ? asks : undefined,
    close: () => setAsks(undefined),
    approve: () => approve.mutateAsync(),
    act: (deed, by) => {
      if (!isOpen || !steadiness.isReady || approve.isPending || asks !== undefined) return
      const why = by === "click" ? steadiness.why() : undefined
      if (why !== undefined) return tell(why, "bad")
      if (deed === "always" && approval.risk === "critical") {
        return tell("What is of critical risk is asked about each time: it can't be allowed always.", "bad")
      }
      if (deed !== "approve" || isGrave(approval)) return setAsks(deed)
      // What it is refused with is shown on the card.
      approve.mutate()
    }
  }
}
