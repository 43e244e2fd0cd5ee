/** What is in force of the configuration: to be looked at here, changed in its file. Secrets are named, never shown. */
import { Link } from "@tanstack/react-router"
import type { ReactNode } from "react"
import type { SettingsRecord } from "syris/records"
import { Badge } from "../../parts/Badge.tsx"
import { Card, Facts, Nothing } from "../../parts/Page.tsx"
import { inWords, Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { counted, number } from "../../parts/counted.ts"

const Names = ({ of, none }: { readonly of: ReadonlyArray<string>; readonly none: string }) =>
  of.length === 0 ? <span className="faint">{none}</span> : (
    <span className="tags">
      {of.map((one) => (
        <span key={one} className="tag">
          <bdi>{one === "*" ? "everything" : short(one, 80)}</bdi>
        </span>
      ))}
    </span>
  )

export const Warnings = ({ warnings }: { readonly warnings: ReadonlyArray<string> }) =>
  warnings.length === 0 ? null : (
    <Card title="The configuration could be better" tone="warn">
      <ul className="settings-warnings">
        {warnings.map((one) => (
          <li key={one}>
            <Words text={one} most={500} />
          </li>
        ))}
      </ul>
    </Card>
  )

export const Place = ({ settings }: { readonly settings: SettingsRecord }) => (
  <Card title="Configuration">
    <p className="settings-note">
      This is what is in force. It is changed in the file, which is read when SYRIS starts.
    </p>
    <Facts
      of={[
        [
          "File",
          <code>
            <Words text={settings.config.path} />
          </code>
        ],
        ["Read", <Time at={settings.config.loaded_at} />],
        ["Time zone", <bdi>{short(settings.timezone, 80)}</bdi>],
        ["Language of what comes without one", <bdi>{short(settings.locale, 80)}</bdi>],
        [
          "Kept in",
          <code>
            <Words text={settings.home} />
          </code>
        ],
        [
          "Database",
          (
            <>
              {settings.database.kind === "embedded" ? "its own, in " : "given: "}
              <code>
                <Words text={settings.database.place} />
              </code>
            </>
          )
        ],
        ["How long", "for ever: nothing is removed by itself"],
        ["Secrets", <Names of={settings.secrets} none="none are known here" />]
      ]}
    />
  </Card>
)

export const Safety = (
  { settings: { first_autonomy, policies, rules, safety } }: { readonly settings: SettingsRecord }
) => (
  <Card title="Safety">
    <Facts
      of={[
        [
          "Level at the first start",
          <>
            {first_autonomy}; the one of now is on <Link to="/">Now</Link>
          </>
        ],
        ["An approval waits", inWords(safety.approval_ttl_ms)],
        [
          "The same act again",
          safety.antiflap_cooldown_ms === 0 ? "at once" : `is refused within ${inWords(safety.antiflap_cooldown_ms)}`
        ],
        ["Notices", `at most ${number(safety.notifications_per_hour)} an hour`],
        ["A call is riskier", `when it touches more than ${number(safety.blast_radius)} things`],
        [
          "In the configuration",
          `${counted(policies, "policy", "policies")}, ${counted(rules, "rule")}`
        ]
      ]}
    />
    <h3 className="settings-sub">What each channel may ask for</h3>
    <Facts
      of={Object.entries(safety.scopes).map(([channel, scopes]): readonly [string, ReactNode] => [
        channel === "*" ? "all others" : short(channel, 60),
        <Names of={scopes} none="nothing" />
      ])}
    />
  </Card>
)

export const Models = ({ llm }: { readonly llm: SettingsRecord["llm"] }) => (
  <Card title="Models">
    {llm === null
      ? (
        <Nothing>
          No model is configured: what no rule and no command understands stays unhandled. <code>llm</code>{" "}
          in the configuration names one; docs/models.md says how.
        </Nothing>
      )
      : (
        <ol className="settings-list">
          {llm.models.map((one) => (
            <li key={`${one.provider} ${one.model}`}>
              <div>
                <strong>
                  <bdi>{short(one.model, 80)}</bdi>
                </strong>{" "}
                <span className="faint">of {short(one.provider, 60)}</span>
                {one.base_url !== undefined && (
                  <div>
                    <code>
                      <Words text={one.base_url} />
                    </code>
                  </div>
                )}
                <div className="faint">
                  {one.price === undefined
                    ? "no price: its questions count as tokens only"
                    : `$${one.price.input_per_million} in, $${one.price.output_per_million} out, for a million tokens`}
                </div>
              </div>
              <Badge>{one.has_key ? "with a key" : "without a key"}</Badge>
            </li>
          ))}
        </ol>
      )}
  </Card>
)

export const Bounds = ({ settings: { limits, tools } }: { readonly settings: SettingsRecord }) => (
  <Card title="Bounds">
    <Facts
      of={[
        ["A request", `at most ${number(limits.body_bytes)} bytes`],
        ["A page of a list", `at most ${number(limits.page_items)} items`],
        ["Live streams", `at most ${number(limits.streams)} at once`],
        ["A page of a search", `looks at ${number(limits.search_rows)} rows`],
        ...Object.entries(tools).map(([tool, { concurrency, timeout_ms }]): readonly [string, ReactNode] => [
          short(tool, 60),
          [
            concurrency === undefined ? "" : `${number(concurrency)} at once`,
            timeout_ms === undefined ? "" : `at most ${inWords(timeout_ms)}`
          ].filter((one) => one !== "").join(", ")
        ])
      ]}
    />
  </Card>
)
