/** Tasks: the open ones, then those that have ended. What is shown of them is in the address. */
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { type ReactNode, useMemo, useState } from "react"
import type { ListedTask } from "syris/records"
import { useTasks } from "../../api/queries.ts"
import { Button } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { StatusBadge } from "../../parts/Badge.tsx"
import { Field } from "../../parts/Field.tsx"
import { Card, Nothing, Page } from "../../parts/Page.tsx"
import { columnsOf, More, Table } from "../../parts/Table.tsx"
import { Relative } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import type { TasksSearch } from "../../router.tsx"
import { NewTask } from "./NewTask.tsx"
import { hasEnded, labelsOf, progressInWords, sinceOf, spanOf, spans, statusChoices } from "./taskWords.ts"
import { WaitsFor } from "./WaitsFor.tsx"
import "./tasks.css"

const columns = columnsOf<ListedTask>()((column) => [
  column.display({
    id: "name",
    header: "Task",
    cell: ({ row: { original: task } }) => (
      <div>
        <Link to="/tasks/$id" params={{ id: task.task_id }}>
          <bdi>{short(task.name)}</bdi>
        </Link>
        {labelsOf(task).length > 0 && (
          <div className="tags">
            {labelsOf(task).map((label) => (
              <span key={label} className="tag">
                <bdi>{short(label, 40)}</bdi>
              </span>
            ))}
          </div>
        )}
      </div>
    )
  }),
  column.display({ id: "status", header: "Status", cell: ({ row }) => <StatusBadge status={row.original.status} /> }),
  column.display({
    id: "progress",
    header: "Progress",
    cell: ({ row: { original: task } }) => (
      <div>
        {task.kind === "steps" && task.progress.steps > 0 && (
          <progress aria-hidden="true" max={task.progress.steps} value={task.progress.done} />
        )}
        <div>
          <Words text={progressInWords(task)} most={120} />
        </div>
        {task.error !== undefined && (
          <div className="error-words">
            <Words text={task.error.message} most={160} />
          </div>
        )}
        {task.cancel_reason !== undefined && (
          <div className="faint">
            <Words text={task.cancel_reason} most={160} />
          </div>
        )}
      </div>
    )
  }),
  column.display({ id: "waits", header: "Waits", cell: ({ row }) => <WaitsFor task={row.original} /> }),
  column.display({
    id: "updated_at",
    header: "Last change",
    cell: ({ row }) => <Relative at={row.original.updated_at} />
  }),
  column.display({
    id: "trace",
    header: "Trace",
    cell: ({ row: { original: task } }) => (
      <Link to="/trace/$traceId" params={{ traceId: task.trace_id }} aria-label={`The trace of ${short(task.name)}`}>
        Trace
      </Link>
    )
  })
])

const endedColumns = columns.filter(({ id }) => id !== "waits")

const inWords: Readonly<Record<string, string>> = statusChoices

/** Without what is empty. */
const tidy = (search: TasksSearch): TasksSearch =>
  Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined && value !== ""))

export const Tasks = () => {
  const search = useSearch({ from: "/tasks" })
  const navigate = useNavigate({ from: "/tasks" })
  const { label = "", status = "" } = search
  const span = spanOf(search.made)
  const [making, setMaking] = useState(false)
  const [typed, setTyped] = useState(label)
  const [given, setGiven] = useState(label)
  // The address has become another one, by a link or by going back.
  if (given !== label) {
    setGiven(label)
    setTyped(label)
  }
  const show = (next: TasksSearch): void =>
    void navigate({ search: tidy({ ...search, ...next }), replace: true, resetScroll: false })
  const since = useMemo(() => sinceOf(span, Date.now()), [span])
  const query = { label, since }
  const isFiltered = label !== "" || since !== undefined
  return (
    <Page title="Tasks" actions={<Button tone="main" onClick={() => setMaking(true)}>Make a task</Button>}>
      {making && <NewTask onClose={() => setMaking(false)} />}
      <form
        className="filter-row"
        role="search"
        aria-label="Tasks"
        onSubmit={(event) => {
          event.preventDefault()
          show({ label: typed.trim() })
        }}
      >
        <Field label="Status">
          {(parts) => (
            <select {...parts} value={status} onChange={(event) => show({ status: event.target.value })}>
              <option value="">Any: open ones first</option>
              {Object.entries(inWords).map(([value, words]) => <option key={value} value={value}>{words}</option>)}
              {status !== "" && !Object.hasOwn(inWords, status) && <option value={status}>{short(status)}</option>}
            </select>
          )}
        </Field>
        <Field label="Label">
          {(parts) => (
            <input
              {...parts}
              value={typed}
              maxLength={200}
              autoComplete="off"
              onChange={(event) => setTyped(event.target.value)}
              onBlur={() => {
                if (typed.trim() !== label) show({ label: typed.trim() })
              }}
            />
          )}
        </Field>
        <Field label="Made">
          {(parts) => (
            <select
              {...parts}
              value={span}
              onChange={(event) => show({ made: event.target.value === "any" ? "" : event.target.value })}
            >
              {Object.entries(spans).map(([value, words]) => <option key={value} value={value}>{words}</option>)}
            </select>
          )}
        </Field>
        <button type="submit" className="button">Filter</button>
      </form>
      <div className="stack">
        {status === ""
          ? (
            <>
              <Open query={query} isFiltered={isFiltered} />
              <Ended query={query} isFiltered={isFiltered} />
            </>
          )
          : <OfStatus key={status} query={query} status={status} />}
      </div>
    </Page>
  )
}

const notYet = "None of the tasks that were looked through so far; there are older ones."

interface PartProps {
  readonly query: { readonly label: string; readonly since: string | undefined }
  readonly isFiltered: boolean
}

const Open = ({ isFiltered, query }: PartProps) => {
  const list = useTasks({ ...query, status: "open" })
  return (
    <Listed title="Open" list={list} tasks={list.items}>
      {isFiltered
        ? "No open task fits. Choose less above to see more."
        : "Nothing is open. A task is work of several steps: it begins when you ask for one in the chat, when a rule or a schedule does, or here with “Make a task”."}
    </Listed>
  )
}

const Ended = ({ isFiltered, query }: PartProps) => {
  const list = useTasks({ ...query, status: "ended" })
  return (
    <Listed title="Ended" list={list} tasks={list.items}>
      {list.isMore
        ? notYet
        : isFiltered
        ? "No task that has ended fits."
        : "No task has ended yet."}
    </Listed>
  )
}

interface OfStatusProps {
  readonly query: PartProps["query"]
  readonly status: string
}

const OfStatus = ({ query, status }: OfStatusProps) => {
  const list = useTasks({ ...query, status })
  const title = Object.hasOwn(inWords, status) ? (inWords[status] ?? "").replace(/:.*/, "") : `Status ${short(status)}`
  return (
    <Listed title={title} list={list} tasks={list.items}>
      {list.isMore ? notYet : "There is none now, as far as the rest that you chose above fits."}
    </Listed>
  )
}

interface ListedProps {
  readonly title: string
  readonly list: ReturnType<typeof useTasks>
  readonly tasks: ReadonlyArray<ListedTask>
  /** What is said where there is none. */
  readonly children: ReactNode
}

const Listed = ({ children, list, tasks, title }: ListedProps) => (
  <Card title={title}>
    <Answered answer={list}>
      {() =>
        tasks.length === 0 ? <Nothing>{children}</Nothing> : (
          <Table
            caption={`Tasks: ${title}`}
            columns={tasks.every(({ status }) => hasEnded(status))
              ? endedColumns
              : columns}
            rows={tasks}
            idOf={(task) => task.task_id}
          />
        )}
    </Answered>
    <More list={list} />
  </Card>
)
