/** What was against what is now, line by line. What a colour says, the mark says, and to a screen reader a word. */
import { useState } from "react"
import { visible } from "syris/visible"
import { type DiffLine, diffInWords, readDiff } from "./readDiff.ts"

/** Lines that are shown before it is opened. */
const most = 400

const shown: Readonly<
  Record<DiffLine["mark"], { readonly mark: string; readonly word: string; readonly className: string }>
> = {
  same: { mark: " ", word: "", className: "diff-line" },
  gone: { mark: "-", word: "gone: ", className: "diff-line diff-gone" },
  new: { mark: "+", word: "new: ", className: "diff-line diff-new" },
  left_out: { mark: " ", word: "", className: "diff-line faint" }
}

const Line = ({ line: { mark, text } }: { readonly line: DiffLine }) => {
  const how = shown[mark]
  return (
    <span className={how.className}>
      <span aria-hidden="true">{how.mark}</span>
      {how.word !== "" && <span className="unseen">{how.word}</span>}
      <bdi>{visible(text)}</bdi>
      {"\n"}
    </span>
  )
}

/** `diff` as the host writes it; `of` is what it is of, for a screen reader. */
export const Diff = ({ diff, of }: { readonly diff: string; readonly of: string }) => {
  const [isOpen, setIsOpen] = useState(false)
  const lines = readDiff(diff)
  const left = isOpen ? 0 : Math.max(0, lines.length - most)
  return (
    <div>
      <p className="faint diff-count">{diffInWords(lines)}</p>
      <pre className="diff" tabIndex={0} role="region" aria-label={`What has changed of ${of}`}>
        {lines.slice(0, lines.length - left).map((line, i) => <Line key={i} line={line} />)}
      </pre>
      {left > 0 && (
        <button type="button" className="link" onClick={() => setIsOpen(true)}>
          Show the other {left.toLocaleString("en")} lines
        </button>
      )}
    </div>
  )
}

/** In a question about what is shown here, where that is not what is there any more. */
export const ChangedAgain = () => (
  <p className="refusal" role="alert">
    It has changed again since you opened this: close this question and look at it anew.
  </p>
)
