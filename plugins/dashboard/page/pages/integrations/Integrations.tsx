/** What the host is connected to, and how it is. What servers have changed about their tools comes first: it wants the operator. */
import type { Integration } from "syris/records"
import { type PageOf, useAnswer, useTools } from "../../api/queries.ts"
import { Answered } from "../../parts/Answer.tsx"
import { Nothing, Page } from "../../parts/Page.tsx"
import { inOrder } from "./integrationWords.ts"
import { OneIntegration } from "./OneIntegration.tsx"
import { Quarantine } from "./Quarantine.tsx"
import "./integrations.css"

/** How quick one answers, and when it is tried again, are in no row of the audit. */
const everyMs = 5_000

export const Integrations = () => {
  const integrations = useAnswer<PageOf<Integration>>(["integrations"], "/integrations", undefined, () => everyMs)
  const tools = useTools()
  return (
    <Page title="Integrations">
      <Answered answer={integrations}>
        {({ items }) => (
          <div className="stack">
            {items.flatMap(({ integration_id, quarantined }) =>
              quarantined.map((changed) => (
                <Quarantine key={`${integration_id} ${changed.tool}`} server={integration_id} changed={changed} />
              ))
            )}
            {items.length === 0 && (
              <Nothing>
                SYRIS is connected to nothing yet. Write servers under <code>mcp</code>{" "}
                in the configuration, or list a plugin that brings a channel, and start it again.
              </Nothing>
            )}
            <div className="columns">
              {inOrder(items).map((one) => (
                <OneIntegration key={one.integration_id} integration={one} tools={tools.data?.items ?? []} />
              ))}
            </div>
          </div>
        )}
      </Answered>
    </Page>
  )
}
