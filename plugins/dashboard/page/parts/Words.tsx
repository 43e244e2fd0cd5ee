/**
 * Text from outside: never HTML, its invisible characters written out, in a box of its own direction so that it can't turn
 * what stands beside it. What is long is cut with a note, and opened by a button.
 */
import { useId, useState } from "react"
import { visible, visibleJson, visibleLines } from "syris/visible"
import { number } from "./counted.ts"

/** A browser lays out so much at once without a pause. */
const mostAtOnce = 50_000

/** Without the half of a character that a cut may leave. */
const cutAt = (text: string, length: number): string => text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "")

export interface WordsProps {
  readonly text: string
  /** Characters that are shown before it is opened. Default 300. */
  readonly most?: number
  /** Keeps its line ends. Default: on one line, each end written as `\n`. */
  readonly lines?: boolean
}

/** A text, cut to `most` characters. */
export const Words = ({ lines = false, most = 300, text }: WordsProps) => {
  const [shown, setShown] = useState(most)
  const id = useId()
  const part = text.length > shown ? cutAt(text, shown) : text
  const left = text.length - part.length
  return (
    <span className={lines ? "words words-lines" : "words"}>
      <bdi id={id}>{lines ? visibleLines(part).join("\n") : visible(part)}</bdi>
      {left > 0 && (
        <>
          …{" "}
          <button
            type="button"
            className="link"
            aria-controls={id}
            onClick={(event) => {
              event.stopPropagation()
              setShown(Math.min(text.length, shown + mostAtOnce))
            }}
          >
            {number(left)} more characters
          </button>
        </>
      )}
      {left === 0 && shown > most && (
        <button
          type="button"
          className="link"
          aria-controls={id}
          onClick={() => setShown(most)}
        >
          Less
        </button>
      )}
    </span>
  )
}

/** For a title or a label, where nothing can be opened: one line, cut with a note. */
export const short = (text: string, most = 80): string =>
  text.length <= most ? visible(text) : `${visible(cutAt(text, most))}… (${number(text.length - most)} more)`

/** Any JSON, all of it to be seen. `most`: characters before it is opened, default 2000. */
export const Json = ({ most = 2_000, value }: { readonly value: unknown; readonly most?: number }) => {
  const [shown, setShown] = useState(most)
  if (value === undefined) return <span className="faint">nothing</span>
  const text = visibleJson(value, 2)
  const part = text.length > shown ? cutAt(text, shown) : text
  return (
    <div className="json">
      <pre tabIndex={0}><bdi>{part}</bdi></pre>
      {part.length < text.length && (
        <button type="button" className="link" onClick={() => setShown(shown + mostAtOnce)}>
          {number(text.length - part.length)} more characters
        </button>
      )}
    </div>
  )
}
