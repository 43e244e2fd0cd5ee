/** Changes how much SYRIS may do by itself: what each level lets it do, a reason, and every change before. */
import { useState } from "react"
import type { Autonomy } from "syris/records"
import { autonomyInWords } from "syris/words"
import { post } from "../../api/client.ts"
import { type PageOf, useAnswer } from "../../api/queries.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Answered, Refusal } from "../../parts/Answer.tsx"
import { NoteField, noted } from "../../parts/Confirm.tsx"
import { Dialog } from "../../parts/Dialog.tsx"
import { Nothing } from "../../parts/Page.tsx"
import { Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { isRaise, levels, whatItLets } from "../../parts/autonomy.ts"

interface Change {
  readonly at: string
  readonly from: Autonomy
  readonly to: Autonomy
  readonly by: string
  readonly reason?: string
}

export const AutonomyDialog = ({ current, onClose }: { readonly current: Autonomy; readonly onClose: () => void }) => {
  const [level, setLevel] = useState(current)
  const [reason, setReason] = useState("")
  const change = useAction({
    run: (to: Autonomy) =>
      post<{ readonly level: Autonomy }>("/controls/autonomy", { level: to, ...noted("reason", reason) }),
    touches: ["controls", "state"],
    done: (answer) => `The autonomy level is ${autonomyInWords[answer.level]}.`,
    onDone: onClose,
    tellsRefusal: false
  })
  const raise = isRaise(current, level)
  return (
    <Dialog title="Autonomy" onClose={onClose}>
      <p>How much SYRIS may do by itself. Now: {autonomyInWords[current]}.</p>
      <fieldset className="now-levels">
        <legend className="unseen">Level</legend>
        {levels.map((one) => (
          <label key={one} className="now-level">
            <input type="radio" name="level" value={one} checked={level === one} onChange={() => setLevel(one)} />
            <span>
              <strong>{autonomyInWords[one]}</strong>
              <span className="faint">{whatItLets[one]}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <NoteField label="Reason" hint="Kept with the change. It may stay empty." value={reason} onChange={setReason} />
      {raise && (
        <p className="now-raise" role="status">
          This lets it do more without asking you, from the next call on, until you lower it again. What waits for an
          approval still waits.
        </p>
      )}
      <Refusal error={change.error} />
      <div className="actions">
        <Button
          tone={raise ? "bad" : "main"}
          disabled={level === current}
          busy={change.isPending}
          onClick={() => change.mutate(level)}
        >
          {level === current ? "Choose another level" : raise ? `Raise to ${level}` : `Lower to ${level}`}
        </Button>
        <Button onClick={onClose}>Leave it at {current}</Button>
      </div>
      <h3 className="now-history-title">Changes</h3>
      <History />
    </Dialog>
  )
}

const History = () => {
  const answer = useAnswer<PageOf<Change>>(["controls"], "/controls/autonomy", { limit: 20 })
  return (
    <Answered answer={answer}>
      {({ items }) =>
        items.length === 0
          ? <Nothing>The level was never changed: it is the one of the first start.</Nothing>
          : (
            <ul className="now-list">
              {items.map((one) => (
                <li key={`${one.at} ${one.to}`}>
                  <span className="now-line">
                    <strong>{one.from} → {one.to}</strong>
                    <span className="faint">
                      <Time at={one.at} /> by {short(one.by, 40)}
                    </span>
                  </span>
                  {one.reason !== undefined && <Words text={one.reason} most={200} />}
                </li>
              ))}
            </ul>
          )}
    </Answered>
  )
}
