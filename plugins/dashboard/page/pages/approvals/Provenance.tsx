/** Whose words led to a call: the event, who sent it and where, how far that is trusted, and the way to the whole trace. */
import { Link } from "@tanstack/react-router"
import { memo } from "react"
import type { Approval, MessageEvent, Trust } from "syris/records"
import { useEvent } from "../../api/queries.ts"
import { Refusal } from "../../parts/Answer.tsx"
import { Badge, TrustBadge } from "../../parts/Badge.tsx"
import { Time } from "../../parts/Time.tsx"
import { Json, short, Words } from "../../parts/Words.tsx"

const trusts: Readonly<Record<Trust, string>> = {
  operator: "Only your own words went into this.",
  trusted: "Words of sources that you trust went into this.",
  untrusted: "Words of somebody who is not trusted went into this. Read them with care."
}

const secrecy: Readonly<Record<Approval["labels"]["confidentiality"], string | undefined>> = {
  public: undefined,
  private: "private",
  secret: "carries a secret"
}

export const Provenance = memo(({ approval: { event_id, labels, trace_id } }: { readonly approval: Approval }) => {
  const event = useEvent(event_id ?? "")
  const confidential = secrecy[labels.confidentiality]
  return (
    <div className="provenance">
      <p>
        <TrustBadge trust={labels.trust} /> {confidential !== undefined && <Badge tone="bad">{confidential}</Badge>}
        {" "}
        {trusts[labels.trust]}
      </p>
      {event.data === undefined
        ? event.error === null
          ? event_id === undefined ? null : <p className="faint" aria-busy="true">Asking for the event …</p>
          : <Refusal error={event.error} />
        : <Said event={event.data} />}
      <p>
        <Link to="/trace/$traceId" params={{ traceId: trace_id }}>The whole way here (its trace)</Link>
      </p>
    </div>
  )
})

const Said = ({ event: { actor, content, occurred_at, security, source } }: { readonly event: MessageEvent }) => (
  <>
    <p className="faint">
      <bdi>{short(actor.actor_id)}</bdi> ({actor.actor_type}), on <bdi>{short(source.channel)}</bdi>
      {source.connector_id !== source.channel && (
        <>
          {" "}by <bdi>{short(source.connector_id)}</bdi>
        </>
      )}, trust {security.trust}, <Time at={occurred_at} />:
    </p>
    {content.text !== undefined && content.text !== ""
      ? (
        <blockquote>
          <Words text={content.text} lines most={400} />
        </blockquote>
      )
      : Object.keys(content.structured).length > 0
      ? <Json value={content.structured} most={400} />
      : <p className="faint">It had no words.</p>}
  </>
)
