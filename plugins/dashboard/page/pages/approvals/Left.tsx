/** How long is left to decide. It turns to "expired" by itself. */
import type { Approval } from "syris/records"
import { Badge } from "../../parts/Badge.tsx"
import { inWords, useNow } from "../../parts/Time.tsx"

const soonMs = 60_000

export const useIsOver = (expires_at: string): boolean => useNow() >= Date.parse(expires_at)

export const Left = ({ approval: { expires_at } }: { readonly approval: Pick<Approval, "expires_at"> }) => {
  const left = Date.parse(expires_at) - useNow()
  if (left <= 0) return <Badge>expired</Badge>
  return <Badge tone={left < soonMs ? "bad" : "plain"}>{`expires in ${inWords(left)}`}</Badge>
}
