/**
 * A tool that is not what it was when it was trusted: what has changed, line by line, and trusting it. What is trusted is what
 * was shown when the question was opened; where the server says something else by then, the host refuses.
 */
import { useState } from "react"
import type { Integration, QuarantinedTool } from "syris/records"
import { post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { ChangedAgain, Diff } from "../../parts/Diff.tsx"
import { Card } from "../../parts/Page.tsx"
import { short, Words } from "../../parts/Words.tsx"

export interface QuarantineProps {
  readonly server: string
  readonly changed: QuarantinedTool
}

export const Quarantine = ({ changed, server }: QuarantineProps) => {
  const [asked, setAsked] = useState<QuarantinedTool>()
  const name = `${short(changed.tool, 60)} of ${short(server, 60)}`
  return (
    <Card
      tone="warn"
      title={`The tool ${name} has changed`}
      actions={<Button onClick={() => setAsked(changed)} label={`Trust it … ${name}`}>Trust it …</Button>}
    >
      <p>
        <Words text={changed.reason} /> It is not called and not offered to a model until you trust it as it is now.
      </p>
      <Diff diff={changed.diff} of={name} />
      {asked !== undefined && (
        <Trust
          server={server}
          changed={asked}
          isOld={asked.pin !== changed.pin}
          onClose={() => setAsked(undefined)}
        />
      )}
    </Card>
  )
}

interface TrustProps extends QuarantineProps {
  /** It has changed once more since this was opened. */
  readonly isOld: boolean
  readonly onClose: () => void
}

const Trust = ({ changed, isOld, onClose, server }: TrustProps) => {
  const name = `${short(changed.tool, 60)} of ${short(server, 60)}`
  const act = useAction({
    run: () =>
      post<Integration>(
        `/integrations/${encodeURIComponent(server)}/tools/${encodeURIComponent(changed.tool)}/trust`,
        { pin: changed.pin }
      ),
    touches: ["integrations", "tools", "health", "alarms"],
    done: `The tool ${name} is trusted as it is now.`,
    onDone: onClose,
    tellsRefusal: false
  })
  return (
    <Confirm
      title={`Trust ${name} as it is now?`}
      tone="main"
      yes="Trust what is shown"
      no="Leave it in quarantine"
      act={act}
      onYes={() => act.mutate(undefined)}
      onClose={onClose}
    >
      <p>
        It can be called again, with what it says of itself now: a model that is offered it reads these words. Exactly
        what is shown here is trusted, or nothing.
      </p>
      <Diff diff={changed.diff} of={name} />
      <p className="faint">
        Fingerprint <code>{short(changed.pin, 64)}</code>
      </p>
      {isOld && <ChangedAgain />}
    </Confirm>
  )
}
