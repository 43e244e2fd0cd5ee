/** What is shown in the place of a screen that failed; the menu stays. */
import type { ErrorComponentProps } from "@tanstack/react-router"
import { Button } from "../parts/Action.tsx"
import { sentenceOf } from "../parts/Answer.tsx"
import { Page } from "../parts/Page.tsx"

export const Failed = ({ error }: ErrorComponentProps) => (
  <Page title="This screen failed">
    <p>
      After a newer SYRIS was started, the page has to be loaded again. If that does not help, the screen has a fault;
      what it shows is at the API, too: <a href="/docs">the HTTP API</a>.
    </p>
    <p className="refusal">{sentenceOf(error)}</p>
    <Button tone="main" onClick={() => location.reload()}>Load the page again</Button>
  </Page>
)
