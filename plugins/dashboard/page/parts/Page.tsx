/** A screen: its heading, what can be done there, and its parts. The heading is the title of the tab, too. */
import { type ReactNode, useEffect, useId } from "react"

export interface PageProps {
  readonly title: string
  /** Buttons beside the heading. */
  readonly actions?: ReactNode
  readonly children: ReactNode
}

export const Page = ({ actions, children, title }: PageProps) => {
  useEffect(() => {
    document.title = `${title} · SYRIS`
  }, [title])
  return (
    <>
      <header className="page-header">
        <h1 tabIndex={-1}>{title}</h1>
        {actions !== undefined && <div className="actions">{actions}</div>}
      </header>
      {children}
    </>
  )
}

export interface CardProps {
  readonly title: string
  readonly actions?: ReactNode
  readonly children: ReactNode
  /** `bad`: something here wants the operator now. */
  readonly tone?: "plain" | "warn" | "bad"
}

/** A part of a screen under a heading of its own. */
export const Card = ({ actions, children, title, tone = "plain" }: CardProps) => {
  const id = useId()
  return (
    <section className={`card card-${tone}`} aria-labelledby={id}>
      <header className="card-header">
        <h2 id={id}>{title}</h2>
        {actions !== undefined && <div className="actions">{actions}</div>}
      </header>
      {children}
    </section>
  )
}

/** Names and values, one pair a line. `undefined` values are left out. */
export const Facts = ({ of }: { readonly of: ReadonlyArray<readonly [string, ReactNode]> }) => (
  <dl className="facts">
    {of.map(([name, value]) =>
      value === undefined ? null : (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      )
    )}
  </dl>
)

/** Says that there is nothing, and what would make something. */
export const Nothing = ({ children }: { readonly children: ReactNode }) => <p className="nothing">{children}</p>
