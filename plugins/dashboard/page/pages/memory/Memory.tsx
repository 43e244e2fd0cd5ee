/** What the host was told to remember, with whose words it was; and the end of it, for good. */
import { Link } from "@tanstack/react-router"
import { type FormEvent, useId, useState } from "react"
import type { Memory as Remembered, Trust } from "syris/records"
import { remove } from "../../api/client.ts"
import { useList } from "../../api/queries.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { Badge, TrustBadge } from "../../parts/Badge.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { Nothing, Page } from "../../parts/Page.tsx"
import { More } from "../../parts/Table.tsx"
import { Relative, Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { times } from "../../parts/counted.ts"
import "./memory.css"

interface Wanted {
  readonly query: string
  readonly trust: Trust | ""
}

const trusts: ReadonlyArray<readonly [Wanted["trust"], string]> = [
  ["", "Anybody's"],
  ["operator", "Mine (operator)"],
  ["trusted", "Of what I trust (trusted)"],
  ["untrusted", "Of strangers (untrusted)"]
]

export const Memory = () => {
  const [wanted, setWanted] = useState<Wanted>({ query: "", trust: "" })
  const memories = useList<Remembered>(["memory"], "/memory", { ...wanted })
  const isFiltered = wanted.query !== "" || wanted.trust !== ""
  return (
    <Page title="Memory">
      <div className="stack">
        <Search wanted={wanted} onSearch={setWanted} />
        <Answered answer={memories}>
          {(items) =>
            items.length === 0
              ? (
                <Nothing>
                  {isFiltered
                    ? "Nothing that is remembered fits. Search for fewer words, or for anybody's."
                    : "Nothing is remembered yet. Tell it something in the chat: “remember that the cat is called Fig”."}
                </Nothing>
              )
              : (
                <>
                  <p className="faint memory-lead">
                    {wanted.query === "" ? "The newest first." : "What fits best first."}
                  </p>
                  <ul className="memories">
                    {items.map((memory) => <One key={memory.memory_id} memory={memory} />)}
                  </ul>
                </>
              )}
        </Answered>
        <More list={memories} />
      </div>
    </Page>
  )
}

const Search = ({ onSearch, wanted }: { readonly wanted: Wanted; readonly onSearch: (wanted: Wanted) => void }) => {
  const id = useId()
  const [words, setWords] = useState(wanted.query)
  const search = (event: FormEvent) => {
    event.preventDefault()
    onSearch({ ...wanted, query: words.trim() })
  }
  return (
    <form className="memory-search" role="search" onSubmit={search}>
      <div className="field">
        <label htmlFor={`${id}-words`}>Words in it</label>
        <input
          id={`${id}-words`}
          type="search"
          value={words}
          autoComplete="off"
          maxLength={1_000}
          onChange={(event) => {
            setWords(event.target.value)
            if (event.target.value === "") onSearch({ ...wanted, query: "" })
          }}
        />
      </div>
      <div className="field">
        <label htmlFor={`${id}-trust`}>Whose words</label>
        <select
          id={`${id}-trust`}
          value={wanted.trust}
          onChange={(event) => {
            const found = trusts.find(([trust]) => trust === event.target.value)
            if (found !== undefined) onSearch({ ...wanted, trust: found[0] })
          }}
        >
          {trusts.map(([trust, name]) => <option key={trust} value={trust}>{name}</option>)}
        </select>
      </div>
      <button type="submit" className="button">Search</button>
    </form>
  )
}

const One = ({ memory }: { readonly memory: Remembered }) => {
  const [isAsked, setIsAsked] = useState(false)
  const { created_at, labels, last_recalled_at, recalled, source, tags, text } = memory
  return (
    <li className="card">
      <p className="memory-text">
        <Words text={text} most={1_000} lines />
      </p>
      <div className="memory-foot">
        <span className="row">
          <TrustBadge trust={labels.trust} />
          {labels.confidentiality !== "public" && <Badge>{labels.confidentiality}</Badge>}
          {tags.map((tag) => <Badge key={tag}>{short(tag, 40)}</Badge>)}
        </span>
        <span className="faint">
          Said {source.actor_id !== source.channel && (
            <>
              by <bdi>{short(source.actor_id, 60)}</bdi> {" "}
            </>
          )}on <bdi>{short(source.channel, 60)}</bdi>, <Time at={created_at} />
          {recalled === 0 ? ". Never recalled." : (
            <>
              . Recalled {times(recalled)}
              {last_recalled_at !== undefined && (
                <>
                  , last <Relative at={last_recalled_at} />
                </>
              )}.
            </>
          )}
        </span>
        <span className="row">
          <Link to="/trace/$traceId" params={{ traceId: source.trace_id }}>Where it comes from</Link>
          <Button tone="bad" label={`Forget … ${short(text, 60)}`} onClick={() => setIsAsked(true)}>Forget …</Button>
        </span>
      </div>
      {isAsked && <Forget memory={memory} onClose={() => setIsAsked(false)} />}
    </li>
  )
}

const Forget = ({ memory, onClose }: { readonly memory: Remembered; readonly onClose: () => void }) => {
  const act = useAction({
    run: () => remove(`/memory/${encodeURIComponent(memory.memory_id)}`),
    touches: ["memory"],
    done: "It is forgotten for good.",
    onDone: onClose,
    tellsRefusal: false
  })
  return (
    <Confirm
      title="Forget this for good?"
      tone="bad"
      yes="Forget it for good"
      no="Keep it"
      act={act}
      onYes={() => act.mutate(undefined)}
      onClose={onClose}
    >
      <blockquote className="memory-quote">
        <Words text={memory.text} most={500} lines />
      </blockquote>
      <p>It is deleted and can't be brought back. Nothing that was done because of it is undone.</p>
    </Confirm>
  )
}
