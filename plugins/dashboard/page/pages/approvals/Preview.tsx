/** What the tool says that would happen: as a difference where it is one, else as its words. */
import { memo, useState } from "react"
import { short, Words } from "../../parts/Words.tsx"
import { type DiffLine, diffLinesOf } from "./preview.ts"

const atOnce = 200
const inGlimpse = 4
const classes = { gone: "diff-gone", new: "diff-new", same: undefined } as const

export const Preview = memo(({ text }: { readonly text: string }) => {
  const lines = diffLinesOf(text)
  return lines === undefined ? <Words text={text} lines most={1_500} /> : <Difference lines={lines} />
})

/** Its first lines, for a list; of a difference those that change. */
export const Glimpse = ({ text }: { readonly text: string }) => {
  const changes = diffLinesOf(text)?.filter(({ is }) => is !== "same")
  if (changes === undefined) return <Words text={text} lines most={200} />
  const left = changes.length - inGlimpse
  return (
    <>
      <Lines lines={changes.slice(0, inGlimpse)} most={120} />
      {left > 0 && <span className="faint">and {left} more {left === 1 ? "line" : "lines"} that change</span>}
    </>
  )
}

const Lines = ({ lines, most }: { readonly lines: ReadonlyArray<DiffLine>; readonly most: number }) => (
  <pre className="diff" tabIndex={0} aria-label="What would change">
    {lines.map(({ is, text }, index) => (
      <span key={index} className={classes[is]}>
        {is !== "same" && <span className="unseen">{is === "gone" ? "Gone: " : "New: "}</span>}
        <bdi>{short(text, most)}</bdi>
        {"\n"}
      </span>
    ))}
  </pre>
)

const Difference = ({ lines }: { readonly lines: ReadonlyArray<DiffLine> }) => {
  const [most, setMost] = useState(atOnce)
  const left = lines.length - most
  return (
    <>
      <Lines lines={lines.slice(0, most)} most={2_000} />
      {left > 0 && (
        <button type="button" className="link" onClick={() => setMost(most + 2_000)}>{left} more lines</button>
      )}
    </>
  )
}
