/**
 * Answers to what was said in the house: a notification there, or one by the service that the operator named.
 */
import { createHash } from "node:crypto"
import { type Channel, Schema, type SecretOption } from "syris"
import { callServices } from "./Calls.ts"
import type { House } from "./House.ts"

const Answer = Schema.Struct({
  text: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(4_000)),
  /** From the event: `structured.reply`. */
  title: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(200))),
  /** The id of the message that it answers. */
  in_reply_to: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_000)))
})

/** The one in the house, which is the same with the same id. */
export const persistent = "persistent_notification.create"

/** The same for every attempt of one answer. */
export const notificationId = (idempotencyKey: string): string =>
  `syris_${createHash("sha256").update(idempotencyKey).digest("hex").slice(0, 24)}`

export const sendBy = ({ house, notify, token, where }: {
  readonly house: House
  readonly notify: string
  readonly token: SecretOption
  readonly where: string
}): NonNullable<Channel["send"]> => {
  const [domain = "", service = ""] = notify.split(".", 2)
  const keyed = notify === persistent
  return {
    description: `Show a message in Home Assistant${where}, by ${notify}.`,
    input: Answer,
    output: Schema.Struct({ message: Schema.String }),
    effect: "write",
    risk: "low",
    scopes: ["ha.send"],
    // Another service shows it twice where it is called twice.
    guarantee: keyed ? "native_key" : "none",
    timeout: "30 seconds",
    preview: ({ text }: typeof Answer.Type) => `would show in Home Assistant by ${notify}: ${text}`,
    run: async ({ text, title = "SYRIS" }: typeof Answer.Type, ctx) => {
      const link = await house.link(() => ctx.secret(token), ctx.signal)
      const data = { message: text, title, ...(keyed ? { notification_id: notificationId(ctx.idempotencyKey) } : {}) }
      await callServices(link, [{ domain, service, data, entityIds: [] }])
      return { message: "Shown in Home Assistant." }
    }
  }
}
