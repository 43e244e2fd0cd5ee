/**
 * Mail as strangers send it: what becomes of it before, while and after it is parsed.
 */
import { assert, describe, it } from "@effect/vitest"
import { simpleParser } from "mailparser"
import { outOfBounds } from "./Bounds.ts"
import { htmlText } from "./HtmlText.ts"
import { type Letter, readLetter } from "./Letter.ts"
import { eventOf } from "./LetterEvent.ts"
import { isOurs, ownId } from "./MessageId.ts"
import { compose } from "./Outgoing.ts"
import { testAccount } from "./TestAccount.ts"
import { writtenIn } from "./Written.ts"
import { computedMs } from "../../test/Cpu.ts"

const account = testAccount()

const mail = (headers: ReadonlyArray<string>, body: string): Buffer =>
  Buffer.from(["From: Ada <ada@else.test>", "To: syris@home.test", ...headers, "", body].join("\r\n"))

const read = async (source: Buffer, of = account): Promise<Letter> => {
  const letter = await readLetter(of, source)
  if ("code" in letter) throw new Error(letter.message)
  return letter
}

const nestedMail = (levels: number): Buffer => {
  const open = Array.from(
    { length: levels },
    (_, level) => `Content-Type: multipart/mixed; boundary=b${level}\r\n\r\n--b${level}`
  )
  const close = Array.from({ length: levels }, (_, level) => `--b${levels - 1 - level}--`)
  return Buffer.from(["From: ada@else.test", ...open, "Content-Type: text/plain\r\n\r\nhi", ...close].join("\r\n"))
}

describe("a mail of millions of lines", () => {
  it("is refused before it is parsed; one with a file of the largest size is not", () => {
    assert.strictEqual(outOfBounds(mail([], " \r\n".repeat(260_000)))?.code, "email.too_many_lines")
    assert.isUndefined(outOfBounds(mail([], `${"A".repeat(76)}\r\n`.repeat(130_000))))
  })

  it("is looked at as far as there is room for its text, one endless line among them", async () => {
    assert.isAtMost((await read(mail([], "_".repeat(9 * 1024 * 1024)))).text.length, 65_536)
  })
})

describe("a mail with a thousand nested parts", () => {
  it("is refused before it is parsed, in linear time", async () => {
    assert.strictEqual(outOfBounds(nestedMail(1000))?.code, "email.too_nested")
    assert.strictEqual(outOfBounds(nestedMail(21))?.code, "email.too_nested")
    assert.isUndefined(outOfBounds(nestedMail(19)))
    assert.strictEqual((await readLetter(account, nestedMail(1000)) as { code: string }).code, "email.too_nested")
    // A hundred times as many take milliseconds: what grows with the square would take minutes.
    const from = computedMs()
    assert.strictEqual(outOfBounds(nestedMail(100_000))?.code, "email.too_nested")
    assert.isBelow(computedMs() - from, 5_000)
  })

  it("would be taken by the parser alone", async () => {
    assert.include((await simpleParser(nestedMail(900))).text ?? "", "hi")
  })
})

describe("bounds", () => {
  const parts = (count: number) =>
    [
      "Content-Type: multipart/mixed; boundary=\"b b\"",
      `${"--b b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(count)}--b b--`
    ] as const

  it.each([
    ["too many parts", mail([parts(101)[0]], parts(101)[1]), "email.too_many_parts"],
    ["a hundred parts", mail([parts(100)[0]], parts(100)[1]), undefined],
    ["one header that is very long", mail([`Subject: ${"x".repeat(70_000)}`], ""), "email.headers_too_large"],
    ["one header in very many lines", mail([`Subject: x${"\r\n x".repeat(20_000)}`], ""), "email.headers_too_large"],
    ["very many headers", mail(Array.from({ length: 501 }, (_, n) => `X-${n}: 1`), ""), "email.headers_too_large"],
    ["mail in mail in mail", mail([], "Content-Type: message/rfc822\r\n\r\n".repeat(51)), "email.too_nested"],
    ["boundaries in pieces", mail([], "boundary*0=a; boundary*1=b\n".repeat(60)), "email.too_nested"],
    ["dashes that are no parts", mail([], "--\n---\n-- \n".repeat(10_000)), undefined],
    ["11 MiB", Buffer.alloc(11 * 1024 * 1024, "x"), "email.too_large"],
    ["nothing at all", Buffer.alloc(0), undefined]
  ])("%s", (_, source, code) => {
    assert.strictEqual(outOfBounds(source)?.code, code)
  })
})

describe("what a person wrote", () => {
  it("is the text, without what it repeats", async () => {
    const source = mail(
      ["Subject: Re: Lights", "In-Reply-To: <a@b>", "Message-ID: <c@d>"],
      "Turn them off.\r\n\r\nOn Monday, 3 Nov 2026, SYRIS\r\n<syris@home.test> wrote:\r\n> Shall I?\r\n> -- \r\n> S\r\n\r\n-- \r\nAda"
    )
    const letter = await read(source)
    assert.strictEqual(letter.text, "Turn them off.")
    const { event } = eventOf(account, letter)
    assert.strictEqual(event.text, "Turn them off.")
    assert.include(JSON.stringify(event.structured?.["body"]), "Shall I?")
  })

  it.each([
    ["Yes.\n\n-----Original Message-----\nFrom: x", "Yes.", false],
    ["Ja.\n\nAm 3.11.2026 schrieb SYRIS:\n> Soll ich?", "Ja.", false],
    ["No.\n\nFrom: SYRIS <s@h>\nSent: Monday\nTo: Ada\nSubject: Shall I?\n\nShall I?", "No.", false],
    ["> One?\nTwo.\n> Three?\nFour.", "Two.\nFour.", false],
    [
      "Pay it.\n\n---------- Forwarded message ---------\nFrom: shop",
      "Pay it.\n\n---------- Forwarded message ---------\nFrom: shop",
      true
    ],
    ["> all of it", "> all of it", true],
    ["Buy these:\n- milk", "Buy these:\n- milk", false],
    ["", "", false]
  ])("%j", (whole, text, forwards) => {
    assert.deepStrictEqual(writtenIn(whole), { text, forwards })
  })

  it("is found in HTML, with its links", async () => {
    const html = "<p>Turn <b>it</b> off</p><a href=\"https://example.org/a?b=1&amp;c=2\">here</a>"
    for (
      const source of [
        mail(["Content-Type: text/html"], html),
        mail(
          ["Content-Type: multipart/alternative; boundary=b"],
          `--b\r\nContent-Type: text/html\r\n\r\n${html}\r\n--b--`
        )
      ]
    ) {
      const letter = await read(source)
      assert.include(letter.text, "Turn it off")
      assert.deepStrictEqual(letter.links, ["https://example.org/a?b=1&c=2"])
    }
  })

  it("is found in HTML of any size and shape, in linear time", () => {
    assert.strictEqual(
      htmlText(
        "<style>p{}</style><p>Gr&uuml;&szlig;e &#x263a; &amp;lt;</p><ul><li>a<li>b</ul>1 < 2<br>x<!-- y --><blockquote>old<br>er</blockquote>new"
      ),
      "Grüße ☺ &lt;\n- a\n- b\n1 < 2\nx\n> old\n> er\nnew"
    )
    const from = computedMs()
    for (const one of ["<td>x", "<p>", "<b>", "<", "<!--", "<blockquote>", "&", "<script>", "<a x=1 ", " "]) {
      htmlText(`<table><tr>${one.repeat(1_000_000 / one.length)}`)
    }
    assert.isBelow(computedMs() - from, 15_000)
  })

  it("is the subject, where there is nothing else; with the subject, where it is longer than a line", async () => {
    assert.strictEqual(eventOf(account, await read(mail(["Subject: lights off"], "\r\n"))).event.text, "lights off")
    assert.strictEqual(eventOf(account, await read(mail(["Subject: Hi"], "lights off"))).event.text, "lights off")
    assert.strictEqual(
      eventOf(account, await read(mail(["Subject: Hi"], "Two\r\nlines"))).event.text,
      "Subject: Hi\n\nTwo\nlines"
    )
  })

  it("can be stored, whatever it is", async () => {
    const source = mail(
      ["Subject: =?utf-16?B?2AA=?= a\0b", "Content-Type: text/plain; charset=utf-16be"],
      `\0${"\ud83d".repeat(2)}`
    )
    const { event } = eventOf(account, await read(Buffer.concat([source, Buffer.from([0xd8, 0x00, 0x00, 0x00])])))
    const json = JSON.stringify(event)
    assert.isTrue(json.isWellFormed())
    assert.notInclude(json, "\\u0000")
    assert.notInclude(json, "\\ud8")
    const long = eventOf(account, await read(mail([], "é".repeat(100_000)))).event
    assert.strictEqual(long.text?.length, 65_536)
  })
})

describe("attachments", () => {
  it("are kept, and those that are too many are named", async () => {
    const one = (n: number) => `--b\r\nContent-Disposition: attachment; filename="../n${n}.txt"\r\n\r\nx\r\n`
    const source = mail(
      ["Content-Type: multipart/mixed; boundary=b"],
      `--b\r\n\r\nhi\r\n${Array.from({ length: 35 }, (_, n) => one(n)).join("")}--b--`
    )
    const { event, options } = eventOf(account, await read(source))
    assert.strictEqual(options.attachments?.length, 32)
    assert.deepStrictEqual(event.structured?.["left_out"], ["../n32.txt", "../n33.txt", "../n34.txt"])
    assert.strictEqual(event.text, "hi")
  })

  it("of forwarded mail are no words of the sender", async () => {
    const source = mail(
      ["Content-Type: multipart/mixed; boundary=b"],
      "--b\r\n\r\nhi\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\nFrom: eve@x.test\r\n\r\nwipe\r\n--b--"
    )
    assert.strictEqual((await read(source)).text, "hi")
  })
})

describe("identity and thread", () => {
  const event = async (...headers: ReadonlyArray<string>) => eventOf(account, await read(mail(headers, "hi"))).event

  it("is the Message-ID, and where there is none the hash of all of it", async () => {
    const { message_id, structured } = await event("Message-ID: <a@b>")
    assert.match(message_id ?? "", /^a@b [0-9a-f]{24}$/)
    assert.strictEqual(structured?.["message_id"], "a@b")
    for (
      const id of [
        "",
        "Message-ID: nonsense",
        "Message-ID: <a@b>\r\nMessage-ID: <c@d>",
        `Message-ID: <${"x".repeat(400)}@b>`
      ]
    ) {
      const headers = id === "" ? [] : [id]
      const first = (await event(...headers)).message_id
      assert.match(first ?? "", /^sha256:/)
      assert.strictEqual((await event(...headers)).message_id, first)
      assert.notStrictEqual((await event(...headers, "X: y")).message_id, first)
    }
  })

  it("is nobody's to take: who sends another mail under its id first suppresses nothing, and a copy is one", async () => {
    const trusting = testAccount({ trustedSenders: ["ada@else.test"], trustedServer: "mx.test" })
    const stamp = "Authentication-Results: mx.test; dmarc=pass header.from=else.test"
    const idOf = async (headers: ReadonlyArray<string>, text: string) =>
      eventOf(trusting, await read(mail([...headers, "Message-ID: <a@b>"], text), trusting)).event.message_id
    const spoofed = await idOf(["Received: from eve"], "hi")
    const real = await idOf([stamp], "hi")
    assert.strictEqual(real, "a@b")
    assert.notStrictEqual(spoofed, real)
    assert.notStrictEqual(await idOf(["Received: from eve"], "something else"), spoofed)
    assert.strictEqual(await idOf(["Received: by another way"], "hi"), spoofed)
  })

  it("joins what refers to the same root, also by nothing but our own answer", async () => {
    const first = await event("Message-ID: <root@x>")
    const ours = ownId("key", "home.test", ["root@x"])
    assert.isTrue(isOurs(ours, "home.test"))
    assert.isFalse(isOurs(ours, "other.test"))
    assert.strictEqual((await event("References: <root@x>\r\n <b@x>", "In-Reply-To: <b@x>")).thread_id, first.thread_id)
    assert.strictEqual((await event(`In-Reply-To: <${ours}>`)).thread_id, first.thread_id)
    assert.notStrictEqual((await event("Message-ID: <other@x>")).thread_id, first.thread_id)
    const endless = await event(`References: ${Array.from({ length: 1_000 }, (_, n) => `<${n}@x>`).join("\r\n ")}`)
    assert.isBelow(JSON.stringify(endless.structured?.["references"]).length, 1_000)
  })

  it("makes the same id of the same call, and another of another", () => {
    assert.strictEqual(ownId("a", "home.test", []), ownId("a", "home.test", []))
    assert.notStrictEqual(ownId("a", "home.test", []), ownId("b", "home.test", []))
  })

  it("names a Reply-To in the same domain only", async () => {
    const to = async (header: string) => (await read(mail([header], "hi"))).replyTo
    assert.strictEqual(await to("Reply-To: desk@else.test"), "desk@else.test")
    assert.strictEqual(await to("Reply-To: eve@evil.test"), "ada@else.test")
    assert.strictEqual(await to("Reply-To: a@else.test, b@else.test"), "ada@else.test")
  })
})

describe("what goes out", () => {
  it("has one header for each, whatever is put into it", async () => {
    const raw = (await compose(
      account,
      {
        to: ["ada@else.test"],
        subject: "Grüße\r\nBcc: eve@evil.test",
        text: ".\r\n.\r\nÄ \u0000 \ud83d",
        references: ["a@b", "x>\r\nBcc: <eve@evil.test"],
        inReplyTo: "c@d"
      },
      "id@home.test",
      new Date(0)
    )).toString()
    assert.notMatch(raw, /^bcc:/im)
    const parsed = await simpleParser(raw)
    assert.deepStrictEqual([parsed.inReplyTo, parsed.references, parsed.messageId], [
      "<c@d>",
      ["<a@b>", "<c@d>"],
      "<id@home.test>"
    ])
    assert.strictEqual(parsed.headers.get("auto-submitted"), "auto-replied")
    assert.include(parsed.text ?? "", "Ä")
  })
})
