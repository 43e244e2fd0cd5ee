/** What the operator can do to a task, as far as its state allows. What can't be taken back is asked once. */
import { useState } from "react"
import type { TaskWithSteps } from "syris/records"
import { post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { Confirm, NoteField, noted } from "../../parts/Confirm.tsx"
import { type Move, movesOf } from "./taskWords.ts"

const words: Readonly<Record<Move, { readonly button: string; readonly done: string }>> = {
  pause: { button: "Pause", done: "The task is paused: nothing more of it begins." },
  resume: { button: "Resume", done: "The task goes on where it was." },
  retry: { button: "Retry", done: "The task goes on from where it failed." },
  cancel: { button: "Cancel", done: "The task is canceled." }
}

export const TaskActions = ({ task }: { readonly task: TaskWithSteps }) => {
  const [asks, setAsks] = useState<"retry" | "cancel">()
  const [reason, setReason] = useState("")
  const id = encodeURIComponent(task.task_id)
  const move = useAction({
    run: ({ body, move }: { readonly move: Move; readonly body?: unknown }) =>
      post<TaskWithSteps>(`/tasks/${id}/${move}`, body),
    touches: ["tasks", "state", "approvals"],
    done: (_, { move }) => words[move].done,
    onDone: () => setAsks(undefined),
    tellsRefusal: false
  })
  const close = () => {
    move.reset()
    setAsks(undefined)
  }
  return (
    <>
      <div className="actions">
        {movesOf(task.status).map((one) => (
          <Button
            key={one}
            tone={one === "cancel" ? "bad" : one === "retry" ? "main" : "plain"}
            busy={move.isPending && move.variables.move === one}
            onClick={() => one === "pause" || one === "resume" ? move.mutate({ move: one }) : setAsks(one)}
          >
            {words[one].button}
          </Button>
        ))}
      </div>
      {asks === undefined && <Refusal error={move.error} />}
      {asks === "retry" && (
        <Confirm
          title="Try it again?"
          tone="main"
          yes="Try it again"
          no="Leave it"
          act={move}
          onYes={() => move.mutate({ move: "retry" })}
          onClose={close}
        >
          <p>
            What has succeeded stays as it is. The step that failed is done anew, as a new call, and what was skipped
            after it follows. This can't be taken back.
          </p>
        </Confirm>
      )}
      {asks === "cancel" && (
        <Confirm
          title="Cancel this task?"
          tone="bad"
          yes="Cancel the task"
          no="Leave it running"
          act={move}
          onYes={() => move.mutate({ move: "cancel", body: noted("reason", reason) })}
          onClose={close}
        >
          <p>
            Steps that have not begun are skipped and never run. A call that is under way now may still be done; what
            became of it is kept. This can't be taken back.
          </p>
          <NoteField label="Reason" hint="Kept with the task. It may stay empty." value={reason} onChange={setReason} />
        </Confirm>
      )}
    </>
  )
}
