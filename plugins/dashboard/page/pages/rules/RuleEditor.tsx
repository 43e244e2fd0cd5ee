/** A rule as JSON: it is tried on events of the past before it can be saved, and what the host refuses is said in its words. */
import { useMutation } from "@tanstack/react-query"
import { useId, useState } from "react"
import type { Rule, RuleDefinition, RuleTrial } from "syris/records"
import { ruleInWords } from "syris/words"
import { post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { short, Words } from "../../parts/Words.tsx"
import type { Fields as Given } from "../../parts/readJson.ts"
import { readDefinition } from "./definition.ts"
import { Trials } from "./Trial.tsx"

export interface RuleEditorProps {
  /** The text to begin with. */
  readonly start: string
  /** Default: a new rule is made. */
  readonly save?: (definition: Given) => Promise<Rule>
  readonly onSaved: (rule: Rule) => void
}

const tryOn = async (text: string) => {
  const read = readDefinition(text)
  if (!read.ok) throw new Error(read.mistake)
  const { items } = await post<{ readonly items: ReadonlyArray<RuleTrial> }>("/rules/test", {
    rule: read.value,
    limit: 500
  })
  // The host has taken it as a rule.
  return { definition: read.value, words: ruleInWords(read.value as unknown as RuleDefinition), items }
}

export const RuleEditor = (
  { onSaved, save = (definition) => post<Rule>("/rules", definition), start }: RuleEditorProps
) => {
  const id = useId()
  const [text, setText] = useState(start)
  const trial = useMutation({ mutationFn: tryOn, retry: false })
  const saving = useAction({
    run: save,
    touches: ["rules"],
    done: ({ name }) => `The rule ${short(name)} is saved.`,
    onDone: onSaved,
    tellsRefusal: false
  })
  return (
    <div className="stack">
      <div className="field">
        <label htmlFor={id}>
          The rule in JSON: <code>when</code> says on which events, <code>then</code> what is done
        </label>
        <textarea
          id={id}
          className="code rule-text"
          value={text}
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => {
            setText(event.target.value)
            // What was tried is not this any more.
            trial.reset()
            saving.reset()
          }}
        />
      </div>
      <div className="row">
        <Button
          busy={trial.isPending}
          tone={trial.data === undefined ? "main" : "plain"}
          onClick={() => trial.mutate(text)}
        >
          Try it on the past
        </Button>
        <Button
          tone="main"
          busy={saving.isPending}
          disabled={trial.data === undefined}
          onClick={() => {
            if (trial.data !== undefined) saving.mutate(trial.data.definition)
          }}
        >
          Save
        </Button>
        {trial.data === undefined && (
          <span className="faint">It can be saved once it was tried. Trying does nothing.</span>
        )}
      </div>
      <Refusal error={trial.error ?? saving.error} />
      {trial.data !== undefined && (
        <div role="status" className="stack">
          <p className="rule-sentence">
            <Words text={`It says: ${trial.data.words}.`} most={2_000} />
          </p>
          <Trials items={trial.data.items} />
        </div>
      )}
    </div>
  )
}
