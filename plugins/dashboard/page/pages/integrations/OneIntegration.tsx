/** One channel or MCP server: how it is, what is wrong, what it brings; and its switch. */
import { useState } from "react"
import type { Integration, ToolRecord } from "syris/records"
import { visibleLines } from "syris/visible"
import { patch } from "../../api/client.ts"
import { useAction } from "../../parts/Action.tsx"
import { Badge, HealthBadge } from "../../parts/Badge.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { Opened } from "../../parts/Opened.tsx"
import { Card, Facts } from "../../parts/Page.tsx"
import { Switch } from "../../parts/Switch.tsx"
import { Relative, Time, useNow } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { counted } from "../../parts/counted.ts"
import { Tools } from "../../parts/Tools.tsx"
import { stateInWords, switchInWords, toneOf, webAddress } from "./integrationWords.ts"

const kinds: Readonly<Record<Integration["kind"], string>> = { mcp: "MCP server", channel: "Channel" }

export interface OneIntegrationProps {
  readonly integration: Integration
  readonly tools: ReadonlyArray<ToolRecord>
}

export const OneIntegration = ({ integration, tools }: OneIntegrationProps) => {
  const { connected_at, health, integration_id, kind, last_error, latency_ms, refused, server, stderr } = integration
  const { next_attempt_at, sign_in_url } = integration
  const own = tools.filter(({ name }) => integration.tools.includes(name))
  return (
    <Card
      title={`${kinds[kind]} ${short(integration_id)}`}
      tone={integration.state === "sign_in" ? "warn" : "plain"}
      actions={<IntegrationSwitch integration={integration} />}
    >
      <p className="row">
        <HealthBadge health={health} /> <Badge tone={toneOf(integration)}>{stateInWords(integration)}</Badge>
      </p>
      {sign_in_url !== undefined && <SignIn address={sign_in_url} />}
      {last_error !== undefined && (
        <p className="refusal">
          <Words text={last_error} most={500} />
        </p>
      )}
      <Facts
        of={[
          ["Tried again", next_attempt_at === undefined ? undefined : <Until key="next" at={next_attempt_at} />],
          [
            "Connected since",
            connected_at === undefined ? undefined : (
              <span key="since">
                <Time at={connected_at} /> (<Relative at={connected_at} />)
              </span>
            )
          ],
          ["Answers within", latency_ms === undefined ? undefined : `${Math.max(1, Math.round(latency_ms))} ms`],
          [
            "It says it is",
            server === undefined ?
              undefined :
              <Words key="server" text={`${server.name} ${server.version}, protocol ${server.protocol}`} />
          ]
        ]}
      />
      {refused.length > 0 && (
        <>
          <h3 className="integration-part">Tools that can't be used as they are</h3>
          <ul>
            {refused.map(({ reason, tool }) => (
              <li key={tool}>
                <strong>
                  <bdi>{short(tool)}</bdi>
                </strong>
                : <Words text={reason} />
              </li>
            ))}
          </ul>
        </>
      )}
      {own.length > 0 && <Opened label={counted(own.length, "tool")}>{() => <Tools tools={own} />}</Opened>}
      {stderr !== undefined && stderr.trim() !== "" && (
        <Opened label="What it last wrote for whoever runs it">
          {() => (
            <pre className="code" tabIndex={0} aria-label={`What ${short(integration_id)} last wrote`}>
              <bdi>{visibleLines(stderr.trimEnd()).join("\n")}</bdi>
            </pre>
          )}
        </Opened>
      )}
    </Card>
  )
}

const Until = ({ at }: { readonly at: string }) => {
  const now = useNow()
  return Date.parse(at) <= now ? <span>now</span> : <Relative at={at} />
}

const SignIn = ({ address }: { readonly address: string }) => {
  const web = webAddress(address)
  return web === undefined
    ? (
      <p className="refusal">
        It asks you to sign in at an address that is not one of the web, so there is no link to it:{" "}
        <Words text={address} />
      </p>
    )
    : (
      <p>
        It asks you to sign in:{" "}
        <a href={web} target="_blank" rel="noopener noreferrer">
          <bdi>{short(web, 120)}</bdi>
        </a>{" "}
        (opens a new tab). Look at where the link leads before you type a password there.
      </p>
    )
}

const IntegrationSwitch = (
  { integration: { enabled, integration_id, kind } }: { readonly integration: Integration }
) => {
  const [asked, setAsked] = useState<boolean>()
  const name = `${kind === "mcp" ? "MCP server" : "channel"} ${short(integration_id)}`
  const act = useAction({
    run: (on: boolean) => patch<Integration>(`/integrations/${encodeURIComponent(integration_id)}`, { enabled: on }),
    touches: ["integrations", "tools", "health"],
    done: (_, on) => `The ${name} is ${on ? "on" : "off"}.`,
    onDone: () => setAsked(undefined),
    tellsRefusal: false
  })
  return (
    <>
      <Switch on={enabled} busy={act.isPending} label={`The ${name}`} onChange={setAsked} />
      {asked !== undefined && (
        <Confirm
          title={`Switch the ${name} ${asked ? "on" : "off"}?`}
          tone={asked ? "main" : "bad"}
          yes={asked ? "Switch it on" : "Switch it off"}
          no="Leave it as it is"
          act={act}
          onYes={() => act.mutate(asked)}
          onClose={() => setAsked(undefined)}
        >
          <p>{switchInWords(kind, asked)}</p>
        </Confirm>
      )}
    </>
  )
}
