/** "Always allow…": says which rule would be made, makes it, and only then approves what waits. */
import { useState } from "react"
import type { StandingRule } from "syris/records"
import { post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { NoteField, noted } from "../../parts/Confirm.tsx"
import { Dialog } from "../../parts/Dialog.tsx"
import { Nothing } from "../../parts/Page.tsx"
import { useZone } from "../../parts/Time.tsx"
import { Json, short } from "../../parts/Words.tsx"
import { isRecord } from "../../parts/readJson.ts"
import { conditionInWords, dayMs, fieldsToSend, lengths, wantedInWords } from "./ruleWords.ts"
import type { Deciding } from "./useDeciding.ts"

export const AlwaysDialog = ({ deciding }: { readonly deciding: Deciding }) => {
  const { approval: { approval_id, number, risk, tool }, approve, close } = deciding
  const what = isRecord(deciding.approval.what) ? deciding.approval.what : {}
  const names = Object.keys(what)
  const zone = useZone()
  const [fields, setFields] = useState<ReadonlyArray<string>>(names)
  const [days, setDays] = useState(30)
  const [reason, setReason] = useState("")
  const [until] = useState(Date.now)
  const make = useAction<void, StandingRule>({
    run: async () => {
      const kept = fieldsToSend({ fields, what })
      const rule = await post<StandingRule>("/policy", {
        approval_id,
        expires_in_ms: days * dayMs,
        ...(kept === undefined ? {} : { fields: kept }),
        ...noted("reason", reason)
      })
      // What the host says to this is on the card, and told.
      await approve().catch(() => {})
      return rule
    },
    touches: ["policy", "approvals"],
    done: (rule) =>
      `A standing rule: ${short(rule.tool)} runs without asking where ${
        conditionInWords(rule.when)
      }. It is below, under Standing rules.`,
    onDone: close,
    tellsRefusal: false
  })
  return (
    <Dialog title={`Always allow the like of ${number}?`} onClose={close}>
      <div className="stack">
        {names.length === 0
          ? (
            <Nothing>
              It was asked for without input, so a rule would be over the whole tool. Approve it each time, or write it
              in the configuration.
            </Nothing>
          )
          : (
            <>
              <fieldset className="choices">
                <legend>What must be the same as now</legend>
                {names.map((name) => (
                  <label key={name}>
                    <input
                      type="checkbox"
                      checked={fields.includes(name)}
                      onChange={(event) =>
                        setFields(event.target.checked ? [...fields, name] : fields.filter((one) => one !== name))}
                    />
                    <span>
                      <bdi>{short(name)}</bdi> <FieldValue value={what[name]} />
                    </span>
                  </label>
                ))}
              </fieldset>
              <div className="field">
                <label htmlFor="always-days">For how long</label>
                <select id="always-days" value={days} onChange={(event) => setDays(Number(event.target.value))}>
                  {lengths.map(([length, words]) => <option key={length} value={length}>{words}</option>)}
                </select>
              </div>
              <NoteField
                label="Why"
                hint="Kept with the rule. It may stay empty."
                value={reason}
                onChange={setReason}
              />
              <p className="rule-words" aria-live="polite">
                {fields.length === 0
                  ? "Choose at least one field: a rule is never over a whole tool."
                  : `From now until ${zone.moment.format(new Date(until + days * dayMs))} ${
                    wantedInWords({ tool, risk, what, fields })
                  }.`}
              </p>
            </>
          )}
        <Refusal error={make.error} />
        <div className="actions">
          {names.length > 0 && (
            <Button
              tone="bad"
              disabled={fields.length === 0}
              busy={make.isPending}
              onClick={() => make.mutate()}
            >
              Make this rule, and approve {String(number)}
            </Button>
          )}
          <Button onClick={close}>Not now</Button>
        </div>
      </div>
    </Dialog>
  )
}

const FieldValue = ({ value }: { readonly value: unknown }) =>
  typeof value === "object" && value !== null
    ? <Json value={value} most={200} />
    : <bdi className="faint">{short(JSON.stringify(value) ?? "", 120)}</bdi>
