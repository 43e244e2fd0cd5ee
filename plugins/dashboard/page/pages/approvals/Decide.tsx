/** The buttons of an approval, and the dialog of the one that asks first. */
import { useState } from "react"
import type { Approval } from "syris/records"
import { post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { RiskBadge } from "../../parts/Badge.tsx"
import { Confirm, NoteField, noted } from "../../parts/Confirm.tsx"
import { Dialog } from "../../parts/Dialog.tsx"
import { short } from "../../parts/Words.tsx"
import { AlwaysDialog } from "./AlwaysDialog.tsx"
import { EditDialog } from "./EditDialog.tsx"
import type { Deciding } from "./useDeciding.ts"
import { What } from "./What.tsx"

export interface DecideProps {
  readonly deciding: Deciding
  /** Whether the keys are those of the screen. */
  readonly hasKeys: boolean
  readonly onReplaced: ((next: Approval) => void) | undefined
}

export const Decide = ({ deciding, hasKeys, onReplaced }: DecideProps) => {
  const { act, approval, asks, close, isBusy, isReady, refusal } = deciding
  const { number, risk } = approval
  const key = (shortcut: string) => hasKeys ? { shortcut } : {}
  const disabled = !isReady || isBusy
  return (
    <>
      <Refusal error={refusal} />
      <div className="actions">
        <Button
          tone="main"
          onClick={() => act("approve", "click")}
          busy={isBusy}
          disabled={disabled}
          {...key("a")}
        >
          Approve<Of number={number} />
        </Button>
        <Button
          tone="bad"
          onClick={() => act("deny", "click")}
          disabled={disabled}
          {...key("d")}
        >
          Deny<Of number={number} />
        </Button>
        <Button onClick={() => act("edit", "click")} disabled={disabled} {...key("e")}>
          Edit<Of number={number} />
        </Button>
        {risk !== "critical" && (
          <Button
            onClick={() => act("always", "click")}
            disabled={disabled}
            {...key("w")}
          >
            Always allow…<Of number={number} />
          </Button>
        )}
      </div>
      {asks === "approve" && <ApproveDialog deciding={deciding} />}
      {asks === "deny" && <DenyDialog approval={approval} onClose={close} />}
      {asks === "edit" && <EditDialog approval={approval} onClose={close} onReplaced={onReplaced} />}
      {asks === "always" && <AlwaysDialog deciding={deciding} />}
    </>
  )
}

/** Which one, for whoever does not see where a button stands. */
const Of = ({ number }: { readonly number: number }) => <span className="unseen">{` ${number}`}</span>

/** Of high and critical risk: once more. */
const ApproveDialog = ({ deciding: { approval, approve, close } }: { readonly deciding: Deciding }) => (
  <Dialog title={`Approve ${approval.number}, of ${approval.risk} risk?`} onClose={close}>
    <div className="stack">
      <p className="row">
        <span>
          <bdi>{short(approval.tool)}</bdi> will run once, exactly with this:
        </span>{" "}
        <RiskBadge risk={approval.risk} />
      </p>
      <What what={approval.what} most={800} />
      <div className="actions">
        <Button
          tone="bad"
          onClick={() => {
            close()
            void approve().catch(() => {})
          }}
        >
          Yes, let it run
        </Button>
        <Button onClick={close}>Not now</Button>
      </div>
    </div>
  </Dialog>
)

const DenyDialog = ({ approval, onClose }: { readonly approval: Approval; readonly onClose: () => void }) => {
  const { approval_id, number, tool } = approval
  const [reason, setReason] = useState("")
  const deny = useAction<void, Approval>({
    run: () => post<Approval>(`/approvals/${encodeURIComponent(approval_id)}/deny`, noted("reason", reason)),
    touches: ["approvals", "state"],
    done: `Denied ${number}: ${short(tool)} does not run.`,
    onDone: onClose,
    tellsRefusal: false
  })
  return (
    <Confirm
      title={`Deny ${number}?`}
      tone="bad"
      yes="Deny"
      no="Not now"
      act={deny}
      onYes={deny.mutate}
      onClose={onClose}
    >
      <p>
        <bdi>{short(tool)}</bdi> will not run, and a task that waits for it hears so.
      </p>
      <NoteField label="Why" hint="Kept with it, and told. It may stay empty." value={reason} onChange={setReason} />
    </Confirm>
  )
}
