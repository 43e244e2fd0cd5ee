/**
 * Mail in: told by the server (IDLE), looked for every few minutes besides, in the order in which it arrived.
 *
 * - A message is taken when its event is durable; only then is the place behind it kept. After a crash the last few come
 *   again, and are known by their Message-ID.
 * - At most a few MiB of messages are in memory at once, however many are new.
 * - What can't be read is refused with a row in the audit, and never holds up what comes after it.
 */
import type { ImapFlow } from "imapflow"
import type { ChannelContext } from "syris"
import type { Account } from "./Account.ts"
import { answerIn, settleAnswer } from "./ApprovalReply.ts"
import { looksAutomatic, makeRate } from "./Automatic.ts"
import { maximumBytes } from "./Bounds.ts"
import { type Imap, imapProblem, openImap, uidsOf } from "./Imap.ts"
import { fetchedBytes, glimpse, hashOf, type Letter, readLetter } from "./Letter.ts"
import { answerEvent, eventOf, type LetterEvent } from "./LetterEvent.ts"
import { type MailPlace, passed, placeIn } from "./MailPlace.ts"

/** How often the connection is asked whether it is alive; an answer takes no longer than that either. */
const defaultBeatMs = 9_000
/** The same while mail comes in: a server that was just asked may not hear of what came in the same second. */
const busyBeatMs = 1_000
const busyMs = 3_000
/** How often new mail is looked for although nobody told of any. */
const pollMs = 180_000
const batchMessages = 25
const batchBytes = 4 * 1024 * 1024
/** So many wait for the host to keep them. */
const atOnce = 8
/** Of one sender in an hour, of mail that only looks automatic, and of mail that answers ours. */
const mostSuspicious = 5
const mostAnswers = 30

/** What of a message is known before it is read. */
interface Arrived {
  readonly uid: number
  readonly size: number
  readonly arrived: Date | undefined
}

const within = async <A>(ms: number, what: Promise<A>): Promise<A> => {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${ms / 1000} seconds`)), ms)
  return Promise.race([what, late.promise]).finally(() => clearTimeout(timer))
}

/** The channel's `receive`. */
export const receiveInto = (account: Account, { beatMs = defaultBeatMs } = {}) => {
  const suspicious = makeRate(mostSuspicious)
  const answers = makeRate(mostAnswers)
  return async (given: ChannelContext): Promise<void> => {
    const ofHost = new WeakSet<Error>()
    const ctx = noting(given, ofHost)
    try {
      await using imap = await openImap(account, ctx)
      await listen(account, ctx, imap, beatMs, (letter) => tooMany(letter, suspicious, answers))
    } catch (error) {
      if (ctx.signal.aborted) return
      const told = error instanceof Error && (ofHost.has(error) || error.cause !== undefined)
      throw told ? error : new Error(imapProblem(account, error), { cause: error })
    }
  }
}

/** The same, with what the host itself fails with kept apart from what the mailbox does. */
const noting = (ctx: ChannelContext, ofHost: WeakSet<Error>): ChannelContext => {
  const note =
    <In extends ReadonlyArray<any>, Out>(call: (...args: In) => Promise<Out>) => (...args: In): Promise<Out> =>
      call(...args).catch((error: unknown) => {
        if (error instanceof Error) ofHost.add(error)
        throw error
      })
  return {
    ...ctx,
    emit: note(ctx.emit),
    recall: note(ctx.recall),
    remember: note(ctx.remember),
    reject: note(ctx.reject),
    answer: note(ctx.answer)
  }
}

/** Why a mail that says nothing of being automatic is treated as if it did. */
const tooMany = (
  { inReplyTo, sender, subject }: Letter,
  suspicious: (sender: string) => boolean,
  answers: (sender: string) => boolean
): string | undefined => {
  if (sender === undefined) return undefined
  if (looksAutomatic(sender, subject) && !suspicious(sender)) {
    return `more than ${mostSuspicious} in an hour that look automatic`
  }
  if (inReplyTo !== undefined && !answers(sender)) return `more than ${mostAnswers} answers in an hour`
  return undefined
}

const listen = async (
  account: Account,
  ctx: ChannelContext,
  { client, lost }: Imap,
  beatMs: number,
  loop: (letter: Letter) => string | undefined
): Promise<void> => {
  let told = true
  let wake = (): void => {}
  client.on("exists", () => {
    told = true
    wake()
  })
  const lock = await client.getMailboxLock(account.mailbox, { readOnly: !account.markSeen })
  try {
    const { mailbox } = client
    if (mailbox === false) throw new Error(`there is no folder ${account.mailbox}`)
    let place = placeIn(await ctx.recall(), mailbox, account.since, new Date())
    await ctx.remember(place)
    ctx.connected()
    let looked = 0
    let taken = 0
    while (!ctx.signal.aborted) {
      if (told || Date.now() - looked > pollMs) {
        told = false
        looked = Date.now()
        const before = place
        place = await drain(account, ctx, client, place, loop)
        if (place.last_uid !== before.last_uid) taken = Date.now()
      }
      if (told) continue
      const called = new Promise<void>((resolve) => wake = resolve)
      const beat = Promise.withResolvers<void>()
      const timer = setTimeout(beat.resolve, Date.now() - taken < busyMs ? Math.min(busyBeatMs, beatMs) : beatMs)
      const idling = client.idle().catch(() => undefined)
      await Promise.race([called, beat.promise, lost]).finally(() => clearTimeout(timer))
      // Breaks the IDLE, and shows whether anybody is there.
      await within(beatMs, Promise.race([client.noop(), lost]))
      await within(beatMs, Promise.race([idling, lost]))
    }
  } finally {
    lock.release()
  }
}

/** Takes everything that is new. */
const drain = async (
  account: Account,
  ctx: ChannelContext,
  client: ImapFlow,
  from: MailPlace,
  loop: (letter: Letter) => string | undefined
): Promise<MailPlace> => {
  let place = from
  const since = place.since === undefined ? undefined : new Date(place.since)
  // The server counts whole days, in a zone of its own.
  const query = since === undefined ? {} : { since: new Date(since.getTime() - 86_400_000) }
  const found = await uidsOf(client, { uid: `${place.last_uid + 1}:*`, ...query })
  const uids = found.filter((uid) => uid > place.last_uid)
  for (let at = 0; at < uids.length && !ctx.signal.aborted; at += 200) {
    const chunk = uids.slice(at, at + 200)
    const sizes = await client.fetchAll(chunk.join(","), { uid: true, size: true, internalDate: true }, { uid: true })
    const known = sizes.map(({ internalDate, size = 0, uid }): Arrived => ({
      uid,
      size,
      arrived: internalDate === undefined ? undefined : new Date(internalDate)
    })).toSorted((left, right) => left.uid - right.uid)
    for (
      const batch of batches(
        known.filter(({ arrived }) => since === undefined || arrived === undefined || arrived >= since)
      )
    ) {
      if (ctx.signal.aborted) return place
      place = await takeAll(account, ctx, client, batch, place, loop)
    }
    place = passed(place, chunk.at(-1)!, undefined)
    await ctx.remember(place)
  }
  if (since === undefined || ctx.signal.aborted) return place
  // From here on whatever comes in is new, however old it is.
  const { since: _, ...caughtUp } = place
  await ctx.remember(caughtUp)
  return caughtUp
}

/** As many as are in memory at once. */
const batches = function*(arrived: ReadonlyArray<Arrived>): Generator<ReadonlyArray<Arrived>> {
  let batch: Array<Arrived> = []
  let bytes = 0
  for (const one of arrived) {
    const size = Math.min(one.size, fetchedBytes)
    if (batch.length > 0 && (batch.length >= batchMessages || bytes + size > batchBytes)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(one)
    bytes += size
  }
  if (batch.length > 0) yield batch
}

/** Of what is too large only the beginning is fetched: enough to say whose it is. */
const beginningBytes = 16_384

const sourcesOf = async (client: ImapFlow, batch: ReadonlyArray<Arrived>): Promise<ReadonlyMap<number, Buffer>> => {
  const sources = new Map<number, Buffer>()
  const fetch = async (some: ReadonlyArray<Arrived>, maxLength: number): Promise<void> => {
    if (some.length === 0) return
    const uids = some.map(({ uid }) => uid).join(",")
    for (
      const { source, uid } of await client.fetchAll(uids, { uid: true, source: { start: 0, maxLength } }, {
        uid: true
      })
    ) {
      if (source !== undefined) sources.set(uid, source)
    }
  }
  await fetch(batch.filter(({ size }) => size <= maximumBytes), fetchedBytes)
  await fetch(batch.filter(({ size }) => size > maximumBytes), beginningBytes)
  return sources
}

/** Takes some at once, those of one thread in their order. None that failed is left behind: then the place stays. */
const takeAll = async (
  account: Account,
  ctx: ChannelContext,
  client: ImapFlow,
  batch: ReadonlyArray<Arrived>,
  from: MailPlace,
  loop: (letter: Letter) => string | undefined
): Promise<MailPlace> => {
  const sources = await sourcesOf(client, batch)
  const lines = new Map<string, Promise<void>>()
  const running = new Set<Promise<void>>()
  const failures: Array<unknown> = []
  for (const one of batch) {
    const source = sources.get(one.uid)
    // It was deleted meanwhile.
    if (source === undefined) continue
    const read = await readArrived(account, source, one)
    const line = "code" in read ? "refused" : read.sender === account.operator ? "operator" : read.threadId
    const taken = (lines.get(line) ?? Promise.resolve())
      .then(() => failures.length > 0 ? undefined : take(account, ctx, read, source, one.uid, loop))
      .catch((error: unknown) => void failures.push(error))
      .finally(() => running.delete(taken))
    lines.set(line, taken)
    running.add(taken)
    if (running.size >= atOnce) await Promise.race(running)
    if (failures.length > 0) break
  }
  await Promise.all(running)
  if (failures.length > 0) throw failures[0]
  const place = batch.reduce((before, { arrived, uid }) => passed(before, uid, arrived), from)
  await ctx.remember(place)
  if (account.markSeen) {
    await client.messageFlagsAdd(batch.map(({ uid }) => uid).join(","), ["\\Seen"], { uid: true })
  }
  return place
}

/** Why a mail is not taken, for the audit. */
type Refusal = Parameters<ChannelContext["reject"]>[0]

const readArrived = async (
  account: Account,
  source: Buffer,
  { size, uid }: Arrived
): Promise<Letter | Refusal> => {
  const known = () => ({ uid, ...glimpse(source.subarray(0, 262_144)) })
  if (size > maximumBytes) {
    const message = `A mail of ${Math.ceil(size / 1_048_576)} MiB was not read: at most ${
      maximumBytes / 1_048_576
    } are.`
    return { code: "email.too_large", message, data: { bytes: size, ...known() } }
  }
  try {
    const read = await readLetter(account, source)
    return "code" in read ? { code: read.code, message: `A mail was not read. ${read.message}`, data: known() } : read
  } catch (error) {
    return {
      code: "email.unreadable",
      message: `A mail can't be read: ${error instanceof Error ? error.message.slice(0, 200) : "it is broken"}.`,
      data: { hash: hashOf(source), ...known() }
    }
  }
}

/** Takes one message: it becomes an event, an answer to a question for approval, or a refusal. */
const take = async (
  account: Account,
  ctx: ChannelContext,
  letter: Letter | Refusal,
  source: Buffer,
  uid: number,
  loop: (letter: Letter) => string | undefined
): Promise<void> => {
  if ("code" in letter) return await ctx.reject(letter)
  const data = { uid, ...glimpse(source.subarray(0, 262_144)) }
  if (letter.own) {
    return await ctx.reject({
      code: "email.own",
      message: "A mail of this host came back to it, and was left alone.",
      data
    })
  }
  const answer = answerIn(account, letter)
  if (answer === "not_verified") {
    return await ctx.reject({
      code: "email.not_verified",
      message: `A mail answers a question for approval and is not proven to be the operator's: nothing was decided. ${
        letter.judgement.doubt ?? ""
      }`.trim(),
      data
    })
  }
  if (answer === "unclear") {
    return await ctx.reject({
      code: "email.unclear",
      message:
        "A mail of the operator's is about a question for approval and does not say plainly what to do: nothing " +
        "was decided. Answer with \"approve\" or \"deny\" and one code, and nothing else on that line.",
      data
    })
  }
  const event = answer === undefined
    ? eventOf(account, letter, loop(letter))
    : answerEvent(account, letter, await settleAnswer(ctx, letter, answer))
  await hand(ctx, event, data)
}

const tagOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "_tag" in error ? error._tag : undefined

/** Hands an event over. What the host will never take is refused; that it can't now ends the listening. */
const hand = async (
  ctx: ChannelContext,
  { event, options }: LetterEvent,
  data: Readonly<Record<string, string | number>>
): Promise<void> => {
  try {
    await ctx.emit(event, options)
  } catch (error) {
    const { attachments = [], ...rest } = options
    if (tagOf(error) === "ArtifactRefused" && attachments.length > 0) {
      const structured = { ...event.structured, left_out: attachments.map(({ name = "" }) => name) }
      return await hand(ctx, { event: { ...event, structured }, options: rest }, data)
    }
    if (tagOf(error) !== "EventRejected") throw error
    await ctx.reject({ code: "email.refused", message: `A mail was not taken: ${(error as Error).message}`, data })
  }
}
