/** How the page looks and is logged in, quiet hours, and what is in force of the configuration. */
import type { SettingsRecord } from "syris/records"
import { useAnswer, useSystemState } from "../../api/queries.ts"
import { Answered } from "../../parts/Answer.tsx"
import { Card, Facts, Page } from "../../parts/Page.tsx"
import { Bounds, Models, Place, Safety, Warnings } from "./InForce.tsx"
import { QuietHours } from "./QuietHours.tsx"
import "./settings.css"
import { Look, Session } from "./ThisBrowser.tsx"

export const Settings = () => {
  const answer = useAnswer<SettingsRecord>(["settings"], "/settings")
  return (
    <Page title="Settings">
      <div className="stack">
        {answer.data !== undefined && <Warnings warnings={answer.data.config.warnings} />}
        <QuietHours />
        <div className="columns">
          <Look />
          <Session />
        </div>
        <Answered answer={answer}>
          {(settings) => (
            <div className="columns">
              <Place settings={settings} />
              <Safety settings={settings} />
              <Models llm={settings.llm} />
              <Bounds settings={settings} />
            </div>
          )}
        </Answered>
        <About />
      </div>
    </Page>
  )
}

const About = () => {
  const state = useSystemState()
  return (
    <Card title="Versions, and for programs">
      <Answered answer={state}>
        {({ versions }) => (
          <Facts
            of={[
              ["SYRIS", versions.syris],
              ["Node", versions.node],
              ["PostgreSQL", versions.postgres],
              ["Schema", String(versions.schema)]
            ]}
          />
        )}
      </Answered>
      <ul className="settings-links">
        <li>
          <a href="/docs">The HTTP API</a>, all that this page asks and does
        </li>
        <li>
          <a href="/openapi.json">openapi.json</a>, the same for programs
        </li>
        <li>
          <a href="/metrics">Metrics</a>, for Prometheus
        </li>
      </ul>
    </Card>
  )
}
