/** The plugins: where each runs, what it may do there and what it brings. Code that changed comes first: it wants the operator. */
import type { PluginRecord, ToolRecord } from "syris/records"
import { type PageOf, useAnswer, useTools } from "../../api/queries.ts"
import { Answered } from "../../parts/Answer.tsx"
import { Badge, StatusBadge, type Tone } from "../../parts/Badge.tsx"
import { Opened } from "../../parts/Opened.tsx"
import { Card, Facts, Nothing, Page } from "../../parts/Page.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { counted, times } from "../../parts/counted.ts"
import { Tools } from "../../parts/Tools.tsx"
import { Held } from "./Held.tsx"
import { type Asked, broughtBy, kindInWords, sideBySide, whereInWords } from "./permissions.ts"
import "./plugins.css"

const onItsWayMs = 2_000
/** One that was granted a moment ago is `held` still, with nothing that is. */
const isOnItsWay = ({ held, state }: PluginRecord): boolean =>
  state === "starting" || state === "stopping" || (state === "held" && held === undefined)

export const Plugins = () => {
  const plugins = useAnswer<PageOf<PluginRecord>>(
    ["plugins"],
    "/plugins",
    undefined,
    (data) => data?.items.some(isOnItsWay) === true ? onItsWayMs : false
  )
  const tools = useTools()
  return (
    <Page title="Plugins">
      <Answered answer={plugins}>
        {({ items }) => (
          <div className="stack">
            {items.map(({ held, name }) => held !== undefined && <Held key={name} name={name} code={held} />)}
            {items.length === 0 && (
              <Nothing>
                No plugin is listed: write one under <code>plugins</code> in the configuration, and start SYRIS again.
              </Nothing>
            )}
            <p className="faint plugins-lead">
              What runs in the host itself may do all that the host may. What runs apart from it may do what you
              granted, and nothing else.
            </p>
            <div className="columns">
              {inOrder(items).map((plugin) => (
                <Plugin
                  key={plugin.name}
                  plugin={plugin}
                  tools={tools.data?.items.filter((tool) => tool.plugin === plugin.name) ?? []}
                />
              ))}
            </div>
          </div>
        )}
      </Answered>
    </Page>
  )
}

/** Else as the host has them: those of the configuration, then its own. */
const rank: Readonly<Record<PluginRecord["state"], number>> = {
  failed: 0,
  held: 1,
  starting: 2,
  stopping: 2,
  running: 3
}
const inOrder = (all: ReadonlyArray<PluginRecord>): ReadonlyArray<PluginRecord> =>
  all.toSorted((a, b) => rank[a.state] - rank[b.state])

interface PluginProps {
  readonly plugin: PluginRecord
  readonly tools: ReadonlyArray<ToolRecord>
}

const Plugin = ({ plugin, tools }: PluginProps) => {
  const { code, last_error, name, provides, restarts, runtime, state, version } = plugin
  const brought = broughtBy(provides)
  return (
    <Card
      title={`${short(name)} ${short(version, 30)}`}
      actions={<StatusBadge status={state} />}
      tone={state === "failed" ? "bad" : "plain"}
    >
      {last_error !== undefined && (
        <p className={state === "held" ? "" : "refusal"}>
          <Words text={last_error} most={500} />
        </p>
      )}
      <Facts
        of={[
          ["Runs", whereInWords(runtime)],
          [
            "Started again",
            restarts === undefined ? undefined : `${times(restarts)} since the host started`
          ],
          [
            "Brings",
            brought.length === 0 ? "nothing yet" : brought.map(({ words }) => words).join(", ")
          ],
          [
            "Code",
            code === undefined ? undefined : (
              <span key="code">
                {counted(code.files, "file")}, {Math.ceil(code.bytes / 1_024).toLocaleString("en")} KiB, hash{" "}
                <code>{short(code.hash, 64)}</code>
              </span>
            )
          ]
        ]}
      />
      <May plugin={plugin} />
      {brought.some(({ names }) => names.length > 0) && (
        <Opened label="What it brings, by name">
          {() => (
            <dl className="facts">
              {brought.filter(({ names }) => names.length > 0).map(({ names, words }) => (
                <div key={words}>
                  <dt>{words}</dt>
                  <dd>
                    <Words text={names.join(", ")} most={600} />
                  </dd>
                </div>
              ))}
            </dl>
          )}
        </Opened>
      )}
      {tools.length > 0 && (
        <Opened
          label={tools.length === 1
            ? "Its tool"
            : `Its ${tools.length} tools${provides.jobs.length > 0 ? ", with those that start its jobs" : ""}`}
        >
          {() => <Tools tools={tools} />}
        </Opened>
      )}
    </Card>
  )
}

const marks: Readonly<Record<Asked["is"], readonly [string, Tone]>> = {
  refused: ["asked, not granted", "warn"],
  granted: ["asked and granted", "good"],
  not_asked: ["granted, not asked", "plain"]
}

/** Of one apart from the host what it asked for beside what it was granted; of another what it says that it needs. */
const May = ({ plugin: { asked, granted, permissions, runtime } }: { readonly plugin: PluginRecord }) => {
  if (granted === undefined) {
    const needs = sideBySide(permissions, permissions)
    return runtime !== "inline" || needs.length === 0 ? null : (
      <>
        <h3 className="plugin-part">It says that it needs</h3>
        <ul>
          {needs.map(({ item, kind }) => (
            <li key={`${kind} ${item}`}>
              to {kindInWords(kind)} <bdi>{short(item, 120)}</bdi>
            </li>
          ))}
        </ul>
      </>
    )
  }
  const all = sideBySide(asked ?? {}, granted)
  return (
    <>
      <h3 className="plugin-part">What it may do</h3>
      {all.length === 0 ?
        <p className="nothing">Nothing but compute: nothing was granted.</p> :
        (
          <ul className="permissions">
            {all.map(({ is, item, kind }) => (
              <li key={`${kind} ${item}`}>
                <Badge tone={marks[is][1]}>{asked === undefined ? "granted" : marks[is][0]}</Badge>
                <span>
                  {kindInWords(kind)} <bdi>{short(item, 120)}</bdi>
                </span>
              </li>
            ))}
          </ul>
        )}
      {asked === undefined && <p className="faint">What it asks for is known once it was loaded.</p>}
      {all.some(({ is }) => is === "refused") && (
        <p className="faint">
          It can't do what was not granted. To grant it, name it under <code>allow</code>{" "}
          in the configuration, and start SYRIS again.
        </p>
      )}
    </>
  )
}
