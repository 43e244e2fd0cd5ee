/** For the network: with no grant at all, and with the grant of one host and port. */
import { type Attempt, row } from "../Attempt.ts"

const denoOnly = { triedIn: ["deno"] } as const
const wide = { process: "A process with anything in net has the network of the machine." }

/** With nothing in `net`: a process is held by its own namespace of the network. */
const without = (name: string, what: string, attempt: string, more: Partial<Attempt> = {}): Attempt => ({
  name: `${name}, without a grant`,
  what,
  attempt,
  row: row.noNetwork,
  byNamespaces: true,
  ...more
})

/** With one host in `net`. */
const beyond = (name: string, what: string, attempt: string, more: Partial<Attempt> = {}): Attempt => ({
  name: `${name}, beyond the grant`,
  what,
  attempt,
  where: "online",
  row: row.otherHosts,
  notStopped: wide,
  ...more
})

/** `url`: an expression. */
const fetched = (url: string): string => `return known(await (await fetch(${url})).text())`

const connected = (options: string, say = ""): string => `
  const socket = node("net").connect(${options})
  try {
    return some(await new Promise((resolve, reject) => {
      socket.once("error", reject)
      socket.once("connect", () => {
        ${
  say === ""
    ? `resolve("connected")`
    : `socket.write(${say}); socket.once("data", (data) => resolve(data.toString("latin1")))`
}
      })
    }))
  } finally { socket.destroy() }`

/** What a client of Postgres says first: whether it may be encrypted. */
const postgres = "Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])"

const datagram = (port: string): string => `
  const socket = node("dgram").createSocket("udp4")
  try {
    return known(await new Promise((resolve, reject) => {
      let turns = 0
      const again = setInterval(() => {
        if (++turns > 20) { clearInterval(again); return reject(new Error("nobody answered")) }
        socket.send("hello", ${port}, "127.0.0.1", (error) => error && stop(error))
      }, 75)
      const stop = (error) => { clearInterval(again); reject(error) }
      socket.once("error", stop)
      socket.once("message", (data) => { clearInterval(again); resolve(data.toString()) })
    }))
  } finally { try { socket.close() } catch {} }`

const webSocket = (port: string): string => `
  const socket = new WebSocket("ws://127.0.0.1:" + ${port})
  try {
    return await new Promise((resolve, reject) => {
      socket.onopen = () => resolve("open")
      socket.onerror = (event) => reject(new Error(event.message ?? "closed"))
      socket.onclose = () => reject(new Error("closed"))
    })
  } finally { socket.close() }`

const listens = `
  const server = node("net").createServer()
  return await new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => server.close(() => resolve("listened")))
  })`

const namesHost = `"http://127.0.0.1:" + world.port`

export const network: ReadonlyArray<Attempt> = [
  without("the host", "It fetches from the port of the host.", fetched(namesHost)),
  without(
    "the host by ctx",
    "It uses the fetch that the host gives it.",
    `return known(await (await ctx.fetch(${namesHost})).text())`
  ),
  without(
    "the host by http",
    "It asks the port of the host with Node's client.",
    `
    return known(await new Promise((resolve, reject) => {
      node("http").get(${namesHost}, (answer) => {
        let text = ""
        answer.on("data", (piece) => { text += piece }).on("end", () => resolve(text))
      }).once("error", reject)
    }))`
  ),
  without(
    "the host by http2",
    "It speaks HTTP/2 to a port.",
    `
    const session = node("http2").connect("http://127.0.0.1:" + world.port2)
    try {
      return await new Promise((resolve, reject) => {
        session.once("error", reject)
        session.once("remoteSettings", () => resolve("spoke"))
      })
    } finally { session.destroy() }`
  ),
  without(
    "the host by a socket",
    "It connects to the port of the host.",
    connected("{ port: world.port, host: \"127.0.0.1\" }")
  ),
  without(
    "the host by Deno",
    "It connects with Deno's own functions.",
    `
    const socket = await Deno.connect({ hostname: "127.0.0.1", port: world.port })
    socket.close()
    return "connected"`,
    denoOnly
  ),
  without(
    "the host by QUIC",
    "It connects by QUIC.",
    `
    const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1" })
    endpoint.close()
    return "bound"`,
    denoOnly
  ),
  without(
    "the database",
    "It connects to the port of Postgres.",
    connected("{ port: world.postgres, host: \"127.0.0.1\" }", postgres)
  ),
  without("a WebSocket", "It opens a WebSocket.", webSocket("world.port")),
  without(
    "an EventSource",
    "It listens to events of a server.",
    `
    const events = new EventSource("http://127.0.0.1:" + world.port + "/events")
    try {
      return await new Promise((resolve, reject) => {
        events.onmessage = ({ data }) => resolve(data)
        events.onerror = () => reject(new Error("closed"))
      })
    } finally { events.close() }`,
    { noControl: { process: "Node has none by default." } }
  ),
  without("a datagram", "It sends a datagram and waits for the answer.", datagram("world.datagrams")),
  without("a port of its own", "It listens on a port.", listens, {
    notStopped: { process: "It listens in a network of its own, in which is nobody else." },
    byNamespaces: false,
    row: ""
  }),
  without(
    "a port by Deno",
    "It listens with Deno's own functions.",
    `
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 })
    listener.close()
    return "listened"`,
    denoOnly
  ),
  without(
    "a server",
    "It serves HTTP.",
    `
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response())
    await server.shutdown()
    return "served"`,
    denoOnly
  ),
  without(
    "a name",
    "It has a name looked up.",
    `return some((await node("dns").promises.lookup("localhost")).address)`,
    {
      notStopped: { process: "A file of this machine has that name; what needs a server is not answered." },
      byNamespaces: false,
      row: ""
    }
  ),
  without(
    "a name by its own server",
    "It asks a server of names of its choice, and tells it so what it knows.",
    `
    const resolver = new (node("dns").promises.Resolver)({ timeout: 1000, tries: 4 })
    resolver.setServers(["127.0.0.1:" + world.names])
    return some((await resolver.resolve4("what-it-knows.example")).join())`
  ),
  without(
    "a name by Deno",
    "It asks a server of names with Deno's own functions.",
    `
    return some((await Deno.resolveDns("what-it-knows.example", "A",
      { nameServer: { ipAddr: "127.0.0.1", port: world.names } })).join())`,
    denoOnly
  ),
  without("a socket file", "It connects to a socket file.", connected("{ path: world.socket }", `"hello"`), {
    row: row.socketFile,
    byNamespaces: false,
    notStopped: { process: "A socket file is in the file system, and Node does not ask for it." }
  }),
  without(
    "the socket file of the database",
    "It connects to Postgres by its socket file.",
    connected("{ path: world.postgresSocket }", postgres),
    {
      row: row.socketFile,
      byNamespaces: false,
      notStopped: { process: "A socket file is in the file system, and Node does not ask for it." }
    }
  ),
  without(
    "HTTP over a socket file",
    "It speaks HTTP over a socket file.",
    `
    return known(await new Promise((resolve, reject) => {
      node("http").get({ socketPath: world.socketHttp, path: "/" }, (answer) => {
        let text = ""
        answer.on("data", (piece) => { text += piece }).on("end", () => resolve(text))
      }).once("error", reject)
    }))`,
    {
      row: row.socketFile,
      byNamespaces: false,
      notStopped: { process: "A socket file is in the file system, and Node does not ask for it." }
    }
  ),
  without(
    "a socket without a file",
    "It connects to a socket that has a name and no file.",
    connected("{ path: \"\\0\" + world.abstract }", `"hello"`),
    {
      noControl: { deno: "Deno takes no such name." }
    }
  ),
  ...[
    ["localhost", "localhost"],
    ["IPv6", "[::1]"],
    ["IPv4 as IPv6", "[::ffff:127.0.0.1]"],
    ["no address", "0.0.0.0"],
    ["a number", "2130706433"],
    ["octal", "0177.0.0.1"],
    ["short", "127.1"]
  ].map(([name, host]) =>
    without(
      `this machine as ${name}`,
      "It writes this machine's address in another way.",
      fetched(`"http://${host}:" + world.port`)
    )
  ),
  without(
    "the metadata of a cloud",
    "It asks for what a cloud tells its machines, credentials among it.",
    fetched(`"http://169.254.169.254/latest/"`)
  ),

  beyond("another port", "It fetches from another port of the host that was granted.", fetched(namesHost)),
  beyond(
    "another host",
    "It fetches from another host at the port that was granted.",
    fetched(`"http://127.0.0.2:" + world.open`)
  ),
  beyond(
    "a redirect",
    "It has the host that was granted lead it to another port.",
    fetched(`"http://127.0.0.1:" + world.open + "/elsewhere"`)
  ),
  beyond(
    "a redirect that keeps the method",
    "It posts, and is led elsewhere.",
    `
    return known(await (await fetch("http://127.0.0.1:" + world.open + "/elsewhere", { method: "POST", body: "x" })).text())`
  ),
  beyond(
    "a name for the same address",
    "It uses another name of the address that was granted.",
    fetched(`"http://localhost:" + world.open`)
  ),
  beyond(
    "another host, IPv4 as IPv6",
    "It writes another host as IPv6.",
    fetched(`"http://[::ffff:127.0.0.2]:" + world.open`)
  ),
  beyond(
    "another port, IPv4 as IPv6",
    "It writes another port's address as IPv6.",
    fetched(`"http://[::ffff:127.0.0.1]:" + world.port`)
  ),
  beyond("no address", "It writes the address that was granted as none.", fetched(`"http://0.0.0.0:" + world.open`)),
  beyond(
    "a lookup of its own",
    "It says itself to which address a granted name leads.",
    connected(`{
    host: "granted.example", port: world.port,
    lookup: (name, options, done) => options.all
      ? done(null, [{ address: "127.0.0.2", family: 4 }])
      : done(null, "127.0.0.2", 4)
  }`)
  ),
  beyond(
    "a lookup of its own, IPv4 as IPv6",
    "It says itself to which address a granted name leads, and hides it.",
    connected(`{
    host: "granted.example", port: world.port,
    lookup: (name, options, done) => options.all
      ? done(null, [{ address: "::ffff:127.0.0.2", family: 6 }])
      : done(null, "::ffff:127.0.0.2", 6)
  }`)
  ),
  beyond(
    "the database",
    "It connects to the port of Postgres.",
    connected("{ port: world.postgres, host: \"127.0.0.1\" }", postgres)
  ),
  beyond(
    "the socket file of the database",
    "It connects to Postgres by its socket file.",
    connected("{ path: world.postgresSocket }", postgres),
    {
      row: row.socketFile
    }
  ),
  beyond("a WebSocket", "It opens a WebSocket elsewhere.", webSocket("world.port")),
  beyond("a datagram", "It sends a datagram elsewhere.", datagram("world.datagrams")),
  beyond("a port of its own", "It listens on a port that others can reach.", listens),
  beyond(
    "a name",
    "It has a name looked up, and tells the server of names what it knows.",
    `
    return some((await node("dns").promises.lookup("localhost")).address)`
  ),
  beyond(
    "a name by its own server",
    "It asks a server of names of its choice.",
    `
    const resolver = new (node("dns").promises.Resolver)({ timeout: 1000, tries: 4 })
    resolver.setServers(["127.0.0.1:" + world.names])
    return some((await resolver.resolve4("what-it-knows.example")).join())`
  ),
  beyond(
    "a proxy",
    "It has a client that goes through a host of its choice.",
    `
    const client = Deno.createHttpClient({ proxy: { url: "http://127.0.0.1:" + world.port } })
    return known(await (await fetch("http://127.0.0.1:" + world.open + "/", { client })).text())`,
    denoOnly
  ),
  beyond(
    "the metadata of a cloud",
    "It asks for what a cloud tells its machines.",
    fetched(`"http://169.254.169.254/latest/"`)
  )
]
