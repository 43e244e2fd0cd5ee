/**
 * Whose mail is believed: spoofs and forged stamps in every place, what RFC 8601 allows, and mail that nobody wrote.
 */
import { assert, describe, it } from "@effect/vitest"
import { answerIn, replyIn } from "./ApprovalReply.ts"
import { readAuthenticationResults } from "./AuthenticationResults.ts"
import { makeRate } from "./Automatic.ts"
import { headersOf } from "./HeaderBlock.ts"
import { type Letter, readLetter } from "./Letter.ts"
import { eventOf } from "./LetterEvent.ts"
import { ownId } from "./MessageId.ts"
import { MailPlace, placeIn, passed } from "./MailPlace.ts"
import { judge, senderOf } from "./Sender.ts"
import { testAccount } from "./TestAccount.ts"

const account = testAccount({
  trustedSenders: ["ada@else.test"],
  trustedServer: "mx.test",
  operator: "op@home.test"
})

const judged = (lines: ReadonlyArray<string>, options = {}) => {
  const headers = headersOf(Buffer.from([...lines, "", "hi"].join("\r\n")))
  return judge({ ...account, ...options }, headers, senderOf(headers))
}
const received = "Received: from x by mx.test with ESMTP; now"
const from = "From: Ada <ADA@else.test>"
const pass = "Authentication-Results: mx.test; dmarc=pass header.from=else.test"

describe("a trusted sender", () => {
  it.each<[string, ReadonlyArray<string>]>([
    ["DMARC", [pass, received, from]],
    ["DKIM of the domain", ["Authentication-Results: mx.test; dkim=pass header.d=else.test", received, from]],
    ["DKIM by identity", ["Authentication-Results: mx.test; dkim=pass header.i=@else.test", received, from]],
    ["several headers, comments, quotes, versions", [
      "Authentication-Results: mx.test 1;\r\n spf=pass (a ; b (c\\)) \"d) smtp.mailfrom=\"x;y\"",
      "Authentication-Results: (c) mx.test; dmarc / 1 = pass reason=\"a = b; c\" header . from = else.test",
      received,
      from
    ]],
    ["handed on by LMTP in its own house", ["Received: from mx by mx.test with LMTP id 1", pass, received, from]],
    ["a forged stamp further down", [pass, received, "Authentication-Results: mx.test; dmarc=fail", from]]
  ])("is believed: %s", (_, lines) => {
    const { doubt, verified } = judged(lines)
    assert.isUndefined(doubt)
    assert.include(verified ?? "", "ada@else.test")
  })

  it.each<[string, ReadonlyArray<string>, string]>([
    ["nothing is stamped", [received, from], "did not write"],
    ["the stamp came with the mail", [received, pass, from], "anybody may have written"],
    ["the stamp came with the mail, below a fail", [
      "Authentication-Results: mx.test; dmarc=fail header.from=else.test",
      received,
      pass,
      from
    ], "dmarc=fail"],
    ["the stamp is of another server", [
      "Authentication-Results: mx.test.evil.test; dmarc=pass header.from=else.test",
      received,
      from
    ], "did not write"],
    ["the stamp is about another domain", [
      "Authentication-Results: mx.test; dmarc=pass header.from=evil.test",
      received,
      from
    ], "does not confirm"],
    ["DMARC names no domain", ["Authentication-Results: mx.test; dmarc=pass", received, from], "does not confirm"],
    ["SPF alone", ["Authentication-Results: mx.test; spf=pass smtp.mailfrom=else.test", received, from], "spf=pass"],
    [
      "signed by somebody else",
      ["Authentication-Results: mx.test; dkim=pass header.d=evil.test", received, from],
      "does not confirm"
    ],
    ["signed by a part of the domain", [
      "Authentication-Results: mx.test; dkim=pass header.d=a.else.test",
      received,
      from
    ], "does not confirm"],
    [
      "signed by the top of all domains",
      ["Authentication-Results: mx.test; dkim=pass header.d=test", received, from],
      "does not confirm"
    ],
    ["signed, and DMARC says no", [
      "Authentication-Results: mx.test; dkim=pass header.d=else.test; dmarc=fail header.from=else.test",
      received,
      from
    ], "dmarc=fail"],
    ["pass in a comment", [
      "Authentication-Results: mx.test; dmarc=fail (dmarc=pass header.from=else.test) header.from=else.test",
      received,
      from
    ], "dmarc=fail"],
    ["pass in a quoted reason", [
      "Authentication-Results: mx.test; dmarc=fail reason=\"; dmarc=pass header.from=else.test\"",
      received,
      from
    ], "dmarc=fail"],
    ["another version of the method", [
      "Authentication-Results: mx.test; dmarc/2=pass header.from=else.test",
      received,
      from
    ], "checked nothing"],
    ["two domains in one result", [
      "Authentication-Results: mx.test; dmarc=pass header.from=evil.test header.from=else.test",
      received,
      from
    ], "does not confirm"],
    [
      "no Received, and a broken stamp",
      ["Authentication-Results: mx.test; dmarc=pass header.from=else.test (", from],
      "did not write"
    ]
  ])("is not: %s", (_, lines, why) => {
    const { doubt, verified } = judged(lines)
    assert.isUndefined(verified)
    assert.include(doubt ?? "", "From says ada@else.test, which is a trusted sender, but ")
    assert.include(doubt ?? "", why)
  })

  it("is nobody without a server that is trusted", () => {
    assert.include(judged([pass, received, from], { trustedServer: undefined }).doubt ?? "", "set trustedServer")
  })

  it("may be stamped below lines of one's own, where the operator says so, and only by the first stamp there", () => {
    const options = { trustedHops: 1 }
    assert.isDefined(judged([received, pass, received, from], options).verified)
    assert.isUndefined(judged([received, received, pass, from], options).verified)
    const none = "Authentication-Results: mx.test; none"
    assert.isUndefined(judged([received, none, pass, from], options).verified)
  })

  it.each([
    "From: ada@else.test, eve@evil.test",
    "From: ada@else.test\r\nFrom: eve@evil.test",
    "From: group: ada@else.test;",
    "From: \"ada@else.test\" <eve@evil.test>",
    "From: =?utf-8?Q?ada=40else.test?= <eve@evil.test>",
    "From: <ada@else.test.evil.test>",
    "From: ada@xn--lse-9la.test",
    "From: ",
    "Subject: no From"
  ])("is not the writer of: %s", (line) => {
    assert.isUndefined(judged([pass, received, line]).verified)
  })
})

describe("Authentication-Results", () => {
  it.each([
    "",
    ";",
    "mx.test",
    "mx.test;",
    "mx.test; dkim",
    "mx.test; dkim=",
    "mx.test; =pass",
    "mx.test; dkim=pass header.d",
    "mx.test 2; dkim=pass",
    "mx.test; dkim=pass \"x",
    "mx.test; dkim=pass (x",
    "mx.test x; dkim=pass",
    "mx.test; none; dkim=pass",
    "mx.test; dkim=pass;; spf=pass",
    `mx.test; ${"dkim=pass; ".repeat(60)}`,
    `mx.test; dkim=pass (${"x".repeat(20_000)})`
  ])("can't be read: %s", (value) => assert.isUndefined(readAuthenticationResults(value)))

  it("reads values with slashes, and none", () => {
    const { results } = readAuthenticationResults(
      "mx.test; dkim=pass header.d=a.test header.b=ab/c+d== header.s=s; none=pass;"
    )!
    assert.deepStrictEqual(results[0]?.properties, { "header.d": "a.test", "header.b": "ab/c+d==", "header.s": "s" })
    assert.deepStrictEqual(readAuthenticationResults("MX.test; none"), { server: "mx.test", results: [] })
  })
})

const letterOf = async (lines: ReadonlyArray<string>, body = "hello"): Promise<Letter> => {
  const letter = await readLetter(account, Buffer.from([...lines, "", body].join("\r\n")))
  if ("code" in letter) throw new Error(letter.message)
  return letter
}

describe("mail that nobody wrote", () => {
  it.each<[string, ReadonlyArray<string>]>([
    ["an automatic reply", ["Auto-Submitted: auto-replied (vacation)"]],
    ["a list", ["List-Id: <news.else.test>"]],
    ["bulk", ["Precedence: bulk"]],
    ["who wants no automatic answer", ["X-Auto-Response-Suppress: DR, OOF"]],
    ["who can't be answered", ["Return-Path: <>"]],
    ["the mail system", ["From: MAILER-DAEMON@else.test"]],
    ["the own address", ["From: syris@home.test"]]
  ])("has no text and no way back: %s", async (_, lines) => {
    const who = lines.some((line) => line.startsWith("From")) ? [] : [pass, received, from]
    const { event, options } = eventOf(account, await letterOf([...who, ...lines]))
    assert.isUndefined(event.text)
    assert.strictEqual(event.actor_type, "system")
    assert.isUndefined(event.structured?.["reply"])
    assert.isUndefined(options.raise)
    assert.strictEqual(event.structured?.["body"], "hello")
    assert.isString(event.structured?.["auto"])
  })

  it("is none of these: a person's", async () => {
    const { event, options } = eventOf(account, await letterOf([pass, received, from, "Auto-Submitted: no"]))
    assert.strictEqual(event.text, "hello")
    assert.strictEqual(options.raise?.trust, "trusted")
    assert.deepInclude(event.structured?.["reply"] as object, { subject: "" })
  })

  it("is a report about a mail of ours", async () => {
    const of = ownId("k", "home.test", [])
    const { event } = eventOf(
      account,
      await letterOf(
        [
          "From: postmaster@else.test",
          "Content-Type: multipart/report; report-type=delivery-status; boundary=b"
        ],
        [
          "--b",
          "",
          "Sorry.",
          "--b",
          "Content-Type: message/delivery-status",
          "",
          "Reporting-MTA: dns; x",
          "",
          "Final-Recipient: rfc822; a@b",
          "Action: failed",
          "Status: 5.1.1",
          "--b",
          "Content-Type: message/rfc822",
          "",
          `Message-ID:\r\n <${of}>`,
          "",
          "x",
          "--b--"
        ].join("\r\n")
      )
    )
    assert.deepStrictEqual(event.structured?.["bounce"], { of, status: "5.1.1", action: "failed" })
    assert.isUndefined(event.text)
  })

  it("is what we wrote ourselves", async () => {
    assert.isTrue((await letterOf([from, `Message-ID: <${ownId("k", "home.test", [])}>`])).own)
    assert.isFalse((await letterOf([from, `Message-ID: <${ownId("k", "else.test", [])}>`])).own)
  })

  it("is counted by sender and hour", () => {
    let now = 0
    const rate = makeRate(2, () => now)
    assert.deepStrictEqual([rate("a"), rate("a"), rate("a"), rate("b")], [true, true, false, true])
    now = 3_600_001
    assert.isTrue(rate("a"))
  })
})

describe("an answer to a question for approval", () => {
  it.each<[string, string | undefined, boolean?]>([
    ["approve 7KQ2-M9TD", "approve 7KQ2-M9TD", true],
    ["\n Yes, 7kq2-m9td.\nThanks", "approve 7KQ2-M9TD", true],
    ["Okay 7kq2m9td", "approve 7KQ2-M9TD", true],
    ["no 7KQ2 M9TD", "deny 7KQ2-M9TD", true],
    ["Denied: 7KQ2\u2011M9TD", "deny 7KQ2-M9TD", true],
    ["yes\n7KQ2-M9TD", "approve 7KQ2-M9TD", false],
    ["Yes please, with the code 7KQ2-M9TD", "approve 7KQ2-M9TD", false],
    ["no, that must never happen 7KQ2-M9TD", "deny 7KQ2-M9TD", false],
    // Below it the question, in a way that no program knows as repeated.
    [
      "approve 7KQ2-M9TD\n\nSYRIS wrote\nAnswer with: approve 7KQ2-M9TD\nor with: deny 7KQ2-M9TD",
      "approve 7KQ2-M9TD",
      true
    ],
    ["No.\n\nSYRIS wrote\nAnswer with: approve 7KQ2-M9TD\nor with: deny 7KQ2-M9TD", "deny 7KQ2-M9TD", false],
    ["Ok, what is this about?\n\nSYRIS wrote\nAnswer with: approve 7KQ2-M9TD\nor with: deny 7KQ2-M9TD", undefined],
    ["approve\n\nSYRIS wrote\nAnswer with: approve 7KQ2-M9TD", undefined],
    // About a code, and nobody knows what.
    ["Yes, but please do not run 7KQ2-M9TD", "unclear"],
    ["approve 7KQ2-M9TD? No way", "unclear"],
    ["approve 7KQ2-M9TD\ndeny 7KQ2-M9TD", "unclear"],
    ["deny 7KQ2-M9TD\napprove 7KQ2-M9TD", "unclear"],
    ["approve 7KQ2-M9TD and 8XYZ-1234", "unclear"],
    ["Yes, the order 7KQ2-M9TD is mine", "unclear"],
    // About something else.
    ["yes", undefined],
    ["yes that will do", undefined],
    ["no long-term plans", undefined],
    ["ok 2026-1130", undefined],
    ["ok 20261130", undefined],
    ["I approve 7KQ2-M9TD", undefined],
    ["yesterday 7KQ2-M9TD", undefined],
    ["yes 7KQ2-M9TD-IJKL", undefined]
  ])("%j", (text, decided, bare) => {
    const reply = replyIn(text)
    const told = reply === undefined
      ? undefined
      : reply._tag === "Unclear"
      ? "unclear"
      : `${reply.decision} ${reply.code}`
    assert.strictEqual(told, decided)
    if (reply?._tag === "Plain") assert.strictEqual(reply.bare, bare)
  })

  const operator = "From: op@home.test"
  const vouched = "Authentication-Results: mx.test; dmarc=pass header.from=home.test"
  it.each<[string, ReadonlyArray<string>, string, unknown]>([
    ["the operator's", [vouched, received, operator], "yes 7KQ2-M9TD", { code: "7KQ2-M9TD", decision: "approve" }],
    ["in the operator's name", [received, operator], "yes 7KQ2-M9TD", "not_verified"],
    ["in the operator's name, with a stamp of its own", [received, vouched, operator], "yes 7KQ2-M9TD", "not_verified"],
    ["a trusted sender's", [pass, received, from], "yes 7KQ2-M9TD", "not_verified"],
    ["a trusted sender's, in a sentence", [pass, received, from], "Yes, the order 7KQ2-M9TD is mine", undefined],
    [
      "the operator's program's",
      [vouched, received, operator, "Auto-Submitted: auto-replied"],
      "yes 7KQ2-M9TD",
      undefined
    ],
    [
      "the operator's, in the subject",
      [vouched, received, operator, "Subject: deny 7KQ2-M9TD"],
      "",
      { code: "7KQ2-M9TD", decision: "deny" }
    ],
    ["the operator's, with both", [vouched, received, operator], "approve 7KQ2-M9TD, no, deny it", "unclear"],
    ["a stranger's order", [received, "From: eve@evil.test"], "ok AB123456", undefined],
    ["in what is repeated", [vouched, received, operator], "Hm.\r\n> approve 7KQ2-M9TD", undefined],
    [
      "in what is handed on",
      [vouched, received, operator],
      "yes 7KQ2-M9TD\r\nBegin forwarded message:\r\nx",
      "not_verified"
    ]
  ])("%s", async (_, lines, body, expected) => {
    const answer = answerIn(account, await letterOf(lines, body))
    assert.deepStrictEqual(
      typeof answer === "object" ? { code: answer.code, decision: answer.decision } : answer,
      expected
    )
  })
})

describe("an answer in the dress of", () => {
  const question = "Answer with: approve 7KQ2-M9TD<br>or with: deny 7KQ2-M9TD<br><br>Approval 7: door.open"
  it.each<[string, (words: string) => string]>([
    [
      "Gmail",
      (words) =>
        `<div dir="ltr">${words}</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon, Nov 30, 2026 at ` +
        `4:00 PM &lt;<a href="mailto:s@h.test">s@h.test</a>&gt; wrote:<br></div><blockquote class="gmail_quote">${question}` +
        "</blockquote></div>"
    ],
    [
      "Outlook",
      (words) =>
        `<html><head><style>p {x:y}</style></head><body><div class="WordSection1"><p class=MsoNormal>${words}<o:p></o:p></p>` +
        "<div style='border-top:solid'><p class=MsoNormal><b>From:</b> SYRIS &lt;s@h.test&gt;<br><b>Sent:</b> Monday<br>" +
        `<b>To:</b> Op<br><b>Subject:</b> Approval 7</p></div><p>${question}</p></div></body></html>`
    ],
    [
      "Apple Mail",
      (words) =>
        `<body>${words}<br><div><br><blockquote type="cite"><div>On 30 Nov 2026, at 16:00, s@h.test wrote:</div><br>` +
        `<div>${question}</div></blockquote></div></body>`
    ],
    [
      "a program that marks nothing",
      (words) => `<div>${words}</div><div><br></div><div>SYRIS:</div><div>${question}</div>`
    ]
  ])("%s", async (_, dress) => {
    const vouched = "Authentication-Results: mx.test; dmarc=pass header.from=home.test"
    const headers = [vouched, received, "From: op@home.test", "Content-Type: text/html"]
    const said = async (words: string) => answerIn(account, await letterOf(headers, dress(words)))
    assert.deepStrictEqual(await said("approve 7KQ2-M9TD"), { code: "7KQ2-M9TD", decision: "approve" })
    assert.deepStrictEqual(await said("No, 7KQ2-M9TD"), { code: "7KQ2-M9TD", decision: "deny" })
    for (const words of ["Ok, what is that?", "Hm.", "yes", "Why?"]) assert.isUndefined(await said(words))
    // What is no answer is handed on without the code that it repeats.
    const { event } = eventOf(account, await letterOf(headers.slice(1), dress("Hm.")))
    assert.notInclude(JSON.stringify(event), "7KQ2-M9TD")
    assert.include(JSON.stringify(event), "approve ____-____")
  })
})

describe("the threads of whom we believe", () => {
  it("take in nobody else", async () => {
    const ada = eventOf(account, await letterOf([pass, received, from, "References: <root@x>"])).event
    const again = eventOf(account, await letterOf([pass, received, from, "In-Reply-To: <root@x>"])).event
    const spoof = eventOf(account, await letterOf([received, from, "References: <root@x>"])).event
    assert.strictEqual(again.thread_id, ada.thread_id)
    assert.notStrictEqual(spoof.thread_id, ada.thread_id)
  })
})

describe("the place in a mailbox", () => {
  const box = (uidValidity: bigint, uidNext: number) => ({ path: "INBOX", uidValidity, uidNext })
  const now = new Date("2026-11-30T12:00:00Z")

  it("begins at the end, or on a day; goes on; and begins anew where the numbers do", () => {
    const first = placeIn(undefined, box(1n, 10), undefined, now)
    assert.strictEqual(first.last_uid, 9)
    assert.deepInclude(placeIn(undefined, box(1n, 10), new Date("2026-11-01"), now), {
      last_uid: 0,
      since: "2026-11-01T00:00:00.000Z"
    })
    const later: MailPlace = passed(first, 12, new Date("2026-12-05T12:00:00Z"))
    assert.deepStrictEqual(placeIn(later, box(1n, 20), undefined, now), later)
    assert.deepInclude(placeIn(later, box(2n, 20), undefined, now), { last_uid: 0, since: "2026-12-04T12:00:00.000Z" })
    // Never to before it began.
    assert.deepInclude(placeIn(first, box(2n, 20), undefined, now), { last_uid: 0, since: now.toISOString() })
    assert.strictEqual(placeIn({ nonsense: true }, box(1n, 10), undefined, now).last_uid, 9)
  })
})
