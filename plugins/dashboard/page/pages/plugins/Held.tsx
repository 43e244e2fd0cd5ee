/**
 * A plugin whose code is not what was granted: what has changed, line by line, and granting it. What is granted is what was shown
 * when the question was opened; where the code is something else by then, the host refuses.
 */
import { useState } from "react"
import type { PluginRecord } from "syris/records"
import { post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { ChangedAgain, Diff } from "../../parts/Diff.tsx"
import { Card } from "../../parts/Page.tsx"
import { Time } from "../../parts/Time.tsx"
import { short } from "../../parts/Words.tsx"

type Code = NonNullable<PluginRecord["held"]>

export interface HeldProps {
  readonly name: string
  readonly code: Code
}

const Cut = () => (
  <p className="refusal">
    Not all that has changed is shown here: pictures, compiled code and very long files can't be. It is granted by its
    hash alone, so read the files themselves before you say yes.
  </p>
)

export const Held = ({ code, name }: HeldProps) => {
  const [asked, setAsked] = useState<Code>()
  return (
    <Card
      tone="warn"
      title={`The code of ${short(name)} has changed`}
      actions={
        <Button onClick={() => setAsked(code)} label={`Grant it … the code of ${short(name)}`}>Grant it …</Button>
      }
    >
      <p>
        It is held since{" "}
        <Time at={code.since} />: the new code is not loaded. What you granted goes on where this host has it.
      </p>
      {code.cut && <Cut />}
      <Diff diff={code.diff} of={short(name)} />
      {asked !== undefined && (
        <Grant
          name={name}
          code={asked}
          isOld={asked.hash !== code.hash}
          onClose={() => setAsked(undefined)}
        />
      )}
    </Card>
  )
}

interface GrantProps extends HeldProps {
  /** It has changed once more since this was opened. */
  readonly isOld: boolean
  readonly onClose: () => void
}

const Grant = ({ code, isOld, name, onClose }: GrantProps) => {
  const act = useAction({
    run: () => post<PluginRecord>(`/plugins/${encodeURIComponent(name)}/grant`, { hash: code.hash }),
    touches: ["plugins", "tools", "health", "alarms"],
    done: `The code of ${short(name)} is granted as it is now.`,
    onDone: onClose,
    tellsRefusal: false
  })
  return (
    <Confirm
      title={`Grant the code of ${short(name)} as it is now?`}
      tone="main"
      yes={code.cut ? "Grant this hash" : "Grant what is shown"}
      no="Keep it held"
      act={act}
      onYes={() => act.mutate(undefined)}
      onClose={onClose}
    >
      <p>
        It is loaded in every host that has it, and may do what the configuration allows it. Exactly this code is
        granted, or nothing.
      </p>
      {code.cut && <Cut />}
      <Diff diff={code.diff} of={short(name)} />
      <p className="faint">
        Hash <code>{short(code.hash, 64)}</code>
      </p>
      {isOld && <ChangedAgain />}
    </Confirm>
  )
}
