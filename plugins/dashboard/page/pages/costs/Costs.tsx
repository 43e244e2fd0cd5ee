/** What questions to models have cost, by day, model and task, and what is left of the budgets. */
import { Link } from "@tanstack/react-router"
import { lazy, Suspense, useMemo, useState } from "react"
import type { BudgetState, Cost, CostsBy } from "syris/records"
import { useAnswer } from "../../api/queries.ts"
import { Answered } from "../../parts/Answer.tsx"
import { Bar } from "../../parts/Bar.tsx"
import { Card, Nothing, Page } from "../../parts/Page.tsx"
import { columnsOf, Table } from "../../parts/Table.tsx"
import { Relative, useZone } from "../../parts/Time.tsx"
import { short } from "../../parts/Words.tsx"
import { counted } from "../../parts/counted.ts"
import "./costs.css"
import { beginOf, lastDays, seriesOf, tokensOf } from "./days.ts"
import { budgetInWords, costInWords, money, tokens } from "./words.ts"

/** uPlot is large: it is loaded where there is something to draw. */
const Chart = lazy(() => import("./Chart.tsx").then(({ Chart }) => ({ default: Chart })))

interface Costs {
  readonly by: CostsBy
  readonly costs: ReadonlyArray<Cost>
  readonly budgets: ReadonlyArray<BudgetState>
}

const spans = [7, 30, 90] as const

export const Costs = () => {
  const { timezone } = useZone()
  const [span, setSpan] = useState<number>(30)
  // The days are taken when the screen is opened or another span is chosen: a key that moves would ask for ever.
  const days = useMemo(() => lastDays(new Date(), timezone, span), [timezone, span])
  const since = useMemo(() => beginOf(days[0] ?? "", timezone).toISOString(), [days, timezone])
  const byDay = useAnswer<Costs>(["costs"], "/costs", { by: "day", since })
  const select = (
    <label className="costs-span">
      Show the last{" "}
      <select value={span} onChange={(event) => setSpan(Number(event.target.value))}>
        {spans.map((one) => <option key={one} value={one}>{one} days</option>)}
      </select>
    </label>
  )
  return (
    <Page title="Costs" actions={select}>
      <Answered answer={byDay}>
        {({ budgets, costs }) => (
          <div className="stack costs">
            <Days costs={costs} days={days} />
            <Budgets budgets={budgets} />
            {costs.length > 0 && (
              <>
                <By by="model" since={since} title="By model" />
                <By by="task" since={since} title="By task" />
              </>
            )}
          </div>
        )}
      </Answered>
    </Page>
  )
}

const Days = ({ costs, days }: { readonly costs: ReadonlyArray<Cost>; readonly days: ReadonlyArray<string> }) => {
  const series = useMemo(() => seriesOf(costs, days), [costs, days])
  if (costs.length === 0) {
    return (
      <Card title="By day">
        <Nothing>
          Nothing was asked of a model in these {days.length}{" "}
          days. Where a model is configured, a message that no rule and no command understands is given to it; what it
          costs shows here. Which models there are: docs/models.md.
        </Nothing>
      </Card>
    )
  }
  const usd = costs.reduce((sum, one) => sum + one.usd, 0)
  const unpriced = costs.reduce((sum, one) => sum + one.unpriced, 0)
  const questions = costs.reduce((sum, one) => sum + one.questions, 0)
  const all = costs.reduce((sum, one) => sum + tokensOf(one), 0)
  const total = `${money(usd)} and ${tokens(all)} tokens for ${counted(questions, "question")}`
  return (
    <Card title="By day">
      <p className="costs-total">
        <strong>{money(usd)}</strong> in {days.length} days: {counted(questions, "question")}, {tokens(all)} tokens.
        {unpriced > 0 && ` ${tokens(unpriced)} of them were to a model without a price, so they are not in the money.`}
      </p>
      <Suspense fallback={<div className="costs-chart" aria-busy="true" />}>
        <Chart
          series={series}
          label={`Money and tokens of ${days.length} days: ${total}. The table below has each day.`}
        />
      </Suspense>
      <p className="faint costs-legend">Bars: money, left. Dashed line: tokens, right.</p>
      <details>
        <summary>Each day as a table</summary>
        <Table caption="Costs by day" columns={dayColumns} rows={costs} idOf={({ key }) => key} />
      </details>
    </Card>
  )
}

const Budgets = ({ budgets }: { readonly budgets: ReadonlyArray<BudgetState> }) => (
  <Card title="Budgets">
    {budgets.length === 0
      ? (
        <Nothing>
          No budget is configured. One is set in the configuration as <code>llm.budget</code>, such as{" "}
          <code>perDayUsd: 1</code>; then a question that would go over it is not asked.
        </Nothing>
      )
      : (
        <ul className="costs-budgets">
          {budgets.map((one) => {
            const { name, part, tone, words } = budgetInWords(one)
            return (
              <li key={one.budget}>
                <strong>{short(name, 100)}</strong>
                {part === undefined
                  ? <span>{words}</span>
                  : (
                    <Bar
                      role="meter"
                      label={`Used of the budget ${short(name, 100)}`}
                      part={part}
                      words={words}
                      tone={tone}
                    />
                  )}
                <span className="faint">
                  <code>{short(one.budget, 100)}</code>
                  {one.until !== undefined && (
                    <>
                      , anew <Relative at={one.until} />
                    </>
                  )}
                </span>
              </li>
            )
          })}
        </ul>
      )}
  </Card>
)

const By = (
  { by, since, title }: { readonly by: "model" | "task"; readonly since: string; readonly title: string }
) => {
  const answer = useAnswer<Costs>(["costs"], "/costs", { by, since })
  return (
    <Card title={title}>
      <Answered answer={answer}>
        {({ costs }) =>
          costs.length === 0
            ? <Nothing>Nothing was asked in these days.</Nothing>
            : (
              <Table
                caption={`Costs ${title.toLowerCase()}`}
                columns={by === "task" ? taskColumns : modelColumns}
                rows={costs.toSorted((a, b) => b.usd - a.usd || tokensOf(b) - tokensOf(a))}
                idOf={({ key }) => key}
              />
            )}
      </Answered>
    </Card>
  )
}

const numbers = columnsOf<Cost>()((column) => [
  column.display({ id: "money", header: "Money", cell: ({ row }) => costInWords(row.original) }),
  column.display({
    id: "questions",
    header: "Questions",
    cell: ({ row: { original: { questions, reserved } } }) =>
      reserved === 0 ? tokens(questions) : `${tokens(questions)}, ${reserved} without an answer yet`
  }),
  column.display({ id: "in", header: "Tokens in", cell: ({ row }) => tokens(row.original.input_tokens) }),
  column.display({ id: "out", header: "Tokens out", cell: ({ row }) => tokens(row.original.output_tokens) })
])

const dayColumns = columnsOf<Cost>()((column) => [
  column.display({ id: "day", header: "Day", cell: ({ row }) => row.original.key }),
  ...numbers
])

const modelColumns = columnsOf<Cost>()((column) => [
  column.display({ id: "model", header: "Model", cell: ({ row }) => <bdi>{short(row.original.key, 80)}</bdi> }),
  ...numbers
])

const taskColumns = columnsOf<Cost>()((column) => [
  column.display({
    id: "task",
    header: "Task",
    cell: ({ row }) => (
      <Link to="/tasks/$id" params={{ id: row.original.key }}>{short(row.original.name ?? row.original.key, 80)}</Link>
    )
  }),
  ...numbers
])
