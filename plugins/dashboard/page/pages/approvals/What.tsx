/** The exact input that will run: names and values where it is flat, else as JSON. */
import { memo } from "react"
import { Facts } from "../../parts/Page.tsx"
import { Json, short, Words } from "../../parts/Words.tsx"
import { flatOf } from "./input.ts"

export const What = memo(({ most = 1_500, what }: { readonly what: unknown; readonly most?: number }) => {
  const flat = flatOf(what)
  if (flat === undefined) return <Json value={what} most={most} />
  return (
    <>
      <Facts
        of={flat.map(([name, value]) => [
          short(name),
          typeof value === "string"
            ? value === "" ? <span className="faint">empty</span> : <Words text={value} lines most={most} />
            : <code>{String(value)}</code>
        ])}
      />
      <details>
        <summary>The same as JSON</summary>
        <Json value={what} most={most} />
      </details>
    </>
  )
})
