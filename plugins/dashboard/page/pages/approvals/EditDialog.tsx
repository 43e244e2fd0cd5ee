/** Another input in the place of the one that asks: the host judges it afresh, and asks again with it. */
import { useState } from "react"
import type { Approval } from "syris/records"
import { visibleJson } from "syris/visible"
import { post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { Dialog } from "../../parts/Dialog.tsx"
import { JsonField } from "../../parts/Field.tsx"
import { short } from "../../parts/Words.tsx"
import { namesSecret, readInput } from "./input.ts"

export interface EditDialogProps {
  readonly approval: Approval
  readonly onClose: () => void
  readonly onReplaced: ((next: Approval) => void) | undefined
}

export const EditDialog = ({ approval, onClose, onReplaced }: EditDialogProps) => {
  const { approval_id, number, tool, what } = approval
  const [text, setText] = useState(() => visibleJson(what ?? {}, 2))
  const read = readInput(text)
  const edit = useAction<Readonly<Record<string, unknown>>, Approval>({
    run: (input) => post<Approval>(`/approvals/${encodeURIComponent(approval_id)}/edit`, { input }),
    touches: ["approvals", "state"],
    done: (next) => `Approval ${next.number} takes the place of ${number}. It is still to be approved.`,
    onDone: (next) => {
      onClose()
      onReplaced?.(next)
    },
    tellsRefusal: false
  })
  return (
    <Dialog title={`Edit ${number}: ${short(tool)}`} onClose={onClose}>
      <div className="stack">
        <p>
          What you write here is judged afresh and asked about again; this approval ends with that. Nothing runs before
          you say yes to the new one.
        </p>
        {namesSecret(what) && (
          <p className="refusal">
            A secret stands in this input by its name only, in brackets. Edited, the name itself would be sent: write
            another value in its place, or deny.
          </p>
        )}
        <Refusal error={edit.error} />
        <JsonField
          label="The whole input, as JSON"
          rows={12}
          value={text}
          read={readInput}
          onChange={(text) => {
            setText(text)
            edit.reset()
          }}
        />
        <div className="actions">
          <Button
            tone="main"
            disabled={!read.ok}
            busy={edit.isPending}
            onClick={() => {
              if (read.ok) edit.mutate(read.value)
            }}
          >
            Ask with this instead
          </Button>
          <Button onClick={onClose}>Leave it as it is</Button>
        </div>
      </div>
    </Dialog>
  )
}
