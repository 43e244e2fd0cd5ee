/** What an answer costs. */
import type { ModelSettings } from "../plugin/Settings.ts"
import type { Usage } from "./CompletionProvider.ts"

/** US dollars; nothing where the configuration gives no price. */
export const usdOf = (usage: Usage, price: ModelSettings["price"]): number | undefined =>
  price === undefined
    ? undefined
    : (usage.input_tokens * price.inputPerMillion + usage.output_tokens * price.outputPerMillion) / 1_000_000
