import { Link } from "@tanstack/react-router"
import { Page } from "../parts/Page.tsx"

/** An address that no screen has. */
export const NotThere = () => (
  <Page title="Not found">
    <p>
      No screen has this address. <Link to="/">Go to Now</Link>, or choose one from the menu.
    </p>
  </Page>
)
