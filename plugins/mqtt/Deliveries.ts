/**
 * Which message a delivery is. The broker gives one that it has no acknowledgement of again, with the packet id that it had
 * and marked as a duplicate; a message that it gives for the first time is not marked, whatever it says.
 *
 * - A message that carries an id of its own has that id.
 * - One that was kept for whoever subscribes (retained) is the same for as long as the session lasts.
 * - Else it gets an id by chance, kept under its packet id before its event is made: so the same one is found again after
 *   a crash. The window is as long as what a broker may have under way (`receiveMaximum`).
 * - Where a broker uses a packet id again at once, a duplicate may be a message that never came here: it is taken for a new
 *   one, since one that comes twice is better than one that is lost.
 */
import { createHash, randomBytes } from "node:crypto"
import type { IPublishPacket } from "mqtt"
import { Schema } from "syris"

/** The most that may be under way, unacknowledged. */
export const receiveMaximum = 32

const Kept = Schema.Struct({
  /** The client's id, where the operator gave none. */
  client: Schema.String,
  /** New with each session of the broker's. */
  session: Schema.String,
  /** The filters that the session has. */
  filters: Schema.Array(Schema.String),
  /** The broker was seen to use a packet id again while it was in the window. */
  reuses: Schema.Boolean,
  /** Packet id, what came with it, and the id that it got; the oldest first. */
  window: Schema.Array(Schema.Tuple([Schema.Int, Schema.String, Schema.String]))
})
export type Kept = typeof Kept.Type

const isKept = Schema.is(Kept)
const random = () => randomBytes(12).toString("base64url")

/** What was kept, or what there is at first. */
export const readKept = (value: unknown): Kept =>
  isKept(value)
    ? value
    : { client: `syris-${randomBytes(6).toString("hex")}`, session: random(), filters: [], reuses: false, window: [] }

/** The broker knows nothing of us any more: what it gives us next are other messages. */
export const newSession = (kept: Kept): Kept => ({ ...kept, session: random(), filters: [], reuses: false, window: [] })

/** The id of a delivery, and what must be kept before its event is made. */
export const identify = (
  kept: Kept,
  packet: Pick<IPublishPacket, "dup" | "messageId" | "payload" | "properties" | "qos" | "retain" | "topic">,
  own: unknown
): { readonly message_id: string; readonly kept: Kept } => {
  const given = packet.properties?.userProperties?.["message-id"] ?? own
  const id = Array.isArray(given) ? given[0] : given
  if ((typeof id === "string" && id !== "" && id.length <= 500) || typeof id === "number") {
    return { message_id: `${digest(packet.topic)}:${id}`, kept }
  }
  const content = digest(packet.topic, packet.payload)
  if (packet.retain) return { message_id: `retained:${kept.session}:${content}`, kept }
  const packetId = packet.messageId
  if (packet.qos === 0 || packetId === undefined) return { message_id: random(), kept }
  const before = kept.window.find(([known]) => known === packetId)
  if (packet.dup && !kept.reuses && before?.[1] === content) return { message_id: before[2], kept }
  const message_id = random()
  const others = kept.window.filter((one) => one !== before)
  return {
    message_id,
    kept: {
      ...kept,
      reuses: kept.reuses || (before !== undefined && !packet.dup),
      window: [...others, [packetId, content, message_id] as const].slice(-receiveMaximum)
    }
  }
}

const digest = (...parts: ReadonlyArray<string | Buffer>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(`${part.length}:`).update(part)
  return hash.digest("base64url").slice(0, 22)
}
