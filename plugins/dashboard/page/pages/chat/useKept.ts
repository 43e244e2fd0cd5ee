/** A state that stays when the screen is left, and is gone when the operator logs out: it lives beside the answers of the host. */
import { useQuery, useQueryClient } from "@tanstack/react-query"

export const useKept = <A extends string | object>(
  key: ReadonlyArray<string>,
  first: A
): readonly [A, (next: A | ((now: A) => A)) => void] => {
  const client = useQueryClient()
  // Never asked for: it is what was last set.
  const { data } = useQuery<A>({ queryKey: key, queryFn: () => first, enabled: false, gcTime: Infinity })
  const change = (next: A | ((now: A) => A)): void =>
    void client.setQueryData<A>(key, (now) => typeof next === "function" ? next(now ?? first) : next)
  return [data ?? first, change]
}
