// What the suite starts as the client: hands the scenario to the test, where the client is, and ends as it ended. So 26
// scenarios do not load the client 26 times.
import { request } from "node:http"

const [door, url] = process.argv.slice(2)
const { MCP_CONFORMANCE_CONTEXT: context = "null", MCP_CONFORMANCE_SCENARIO: scenario } = process.env

request(door, { method: "POST" }, (answer) => {
  process.exitCode = answer.statusCode === 200 ? 0 : 1
  answer.pipe(process.stderr)
}).end(JSON.stringify({ scenario, url, context: JSON.parse(context) }))
