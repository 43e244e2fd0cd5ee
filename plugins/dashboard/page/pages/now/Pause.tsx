/** Stops everything at once, and lets it go on. A pause is one click; what goes on is asked for once. */
import { useState } from "react"
import type { State } from "syris/records"
import { post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { useTell } from "../../parts/Notices.tsx"
import { short } from "../../parts/Words.tsx"
import { counted } from "../../parts/counted.ts"

interface Paused {
  readonly paused: boolean
  readonly unheeded?: ReadonlyArray<string>
}

export const PauseButton = ({ state }: { readonly state: State }) => {
  const [isAsking, setIsAsking] = useState(false)
  const tell = useTell()
  const pause = useAction({
    run: () => post<Paused>("/controls/pause"),
    touches: ["controls", "state"],
    onDone: ({ unheeded = [] }) => {
      if (unheeded.length === 0) tell("Paused: nothing new begins. What had begun comes to its end.")
      else {
        tell(
          `Paused, but ${counted(unheeded.length, "host")} did not confirm it: ${short(unheeded.join(", "), 300)}. ` +
            "Something may still begin there; stop it where it runs if that matters.",
          "bad"
        )
      }
    }
  })
  if (!state.paused) {
    return (
      <Button busy={pause.isPending} onClick={() => pause.mutate(undefined)}>
        {pause.isPending ? "Pausing …" : "Pause"}
      </Button>
    )
  }
  return (
    <>
      <Button tone="main" onClick={() => setIsAsking(true)}>Resume</Button>
      {isAsking && <Resume state={state} onClose={() => setIsAsking(false)} />}
    </>
  )
}

const Resume = ({ onClose, state }: { readonly state: State; readonly onClose: () => void }) => {
  const resume = useAction({
    run: () => post("/controls/resume"),
    touches: ["controls", "state"],
    done: "It goes on.",
    onDone: onClose,
    tellsRefusal: false
  })
  return (
    <Confirm
      title="Resume"
      tone="main"
      yes="Resume everything"
      no="Stay paused"
      act={resume}
      onYes={() => resume.mutate(undefined)}
      onClose={onClose}
    >
      <p>
        Everything that waited for the end of the pause goes on at once: {counted(state.counts.tasks, "open task")},
        {" "}
        {counted(state.counts.jobs, "job")}, and {counted(state.queue_depth, "piece")}{" "}
        of work in the queue. Schedules and rules act again.
      </p>
    </Confirm>
  )
}
