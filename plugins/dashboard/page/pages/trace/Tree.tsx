/** A trace by what led to what: each entry with its lines, below it what it led to. */
import { useMemo, useState } from "react"
import { Button } from "../../parts/Action.tsx"
import { short } from "../../parts/Words.tsx"
import { flat } from "./entries.ts"
import type { Entry } from "./entry.ts"
import { EntryDetails, EntryName } from "./EntryDetails.tsx"
import { took } from "./took.ts"

/** Of one entry; more are shown when they are asked for. */
const mostChildren = 100
/** Of one entry; all of them are in its details. */
const mostWords = 200

export const Tree = ({ entries }: { readonly entries: ReadonlyArray<Entry> }) => {
  const first = useMemo(() => Math.min(...flat(entries).map(({ entry }) => entry.from).filter(Number.isFinite)), [
    entries
  ])
  return <Branch entries={entries} first={first} />
}

const Branch = ({ entries, first }: { readonly entries: ReadonlyArray<Entry>; readonly first: number }) => {
  const [all, setAll] = useState(false)
  const shown = all ? entries : entries.slice(0, mostChildren)
  return (
    <>
      <ul className="tree">
        {shown.map((entry) => (
          <li key={entry.id}>
            <One entry={entry} first={first} />
            {entry.children.length > 0 && <Branch entries={entry.children} first={first} />}
          </li>
        ))}
      </ul>
      {shown.length < entries.length && (
        <Button onClick={() => setAll(true)}>{`Show all ${entries.length} of these`}</Button>
      )}
    </>
  )
}

const One = ({ entry, first }: { readonly entry: Entry; readonly first: number }) => {
  const [open, setOpen] = useState(false)
  return (
    <>
      <details className="tree-entry" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <EntryName entry={entry} />
          {entry.words !== undefined && entry.words !== "" && (
            <q className="tree-words">
              <bdi>{short(entry.words, 160)}</bdi>
            </q>
          )}
          {entry.facts.map((fact) => <span key={fact} className="trace-fact">{short(fact, 100)}</span>)}
          {Number.isFinite(entry.from) && entry.from > first && (
            <span className="faint">+{took(entry.from - first)}</span>
          )}
        </summary>
        {open && <EntryDetails entry={entry} />}
      </details>
      {!open && entry.more.length > 0 && (
        <ul className="entry-more faint">
          {entry.more.map((line, index) => (
            <li key={index}>
              <bdi>{short(line, mostWords)}</bdi>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}
