#!/usr/bin/env bash
# MCP servers: pawl as their client, against the protocol's own everything server (over stdio and over streamable
# HTTP), its file system server and a server of its newest SDK (protocol 2026-07-28) over both as well, and one that
# behaves badly in each of the ways that a server can: it ends in the middle of a call, hangs, floods, changes a tool that a run was
# started with, asks people, and will not end. None may outlive pawl, and no secret may be written down.
# Needs npm. Where it is not at hand this is left out, but not where CI is set: there it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD"
pawl="${PAWL:-${CARGO_TARGET_DIR:-$root/target}/debug/pawl}"
work="$(mktemp -d)"
far=()
trap '[[ ${#far[@]} -gt 0 ]] && kill "${far[@]}" 2>/dev/null; rm -rf "$work"' EXIT

if ! command -v npm >/dev/null; then
  echo "mcp: npm is not at hand: the servers are LEFT OUT"
  [[ -z "${CI:-}" ]]
  exit
fi
cd "$work"
npm install --silent --no-audit --no-fund --prefix "$work" \
  @modelcontextprotocol/server-everything@2026.8.31 @modelcontextprotocol/server-filesystem@2026.8.31 \
  @modelcontextprotocol/server@2.4.0 >/dev/null

# A server that behaves badly, without an SDK that would keep it from that.
cat >odd.js <<'JS'
const fs = require("fs");
const [, , folder] = process.argv;
const note = (text) => fs.appendFileSync(`${folder}/odd.log`, `${text}\n`);
note(`start ${process.pid}`);
if (fs.existsSync(`${folder}/stubborn`)) {
  process.on("SIGTERM", () => note("SIGTERM"));
  setInterval(() => {}, 1000);
}
const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const object = (properties = {}) => ({ type: "object", properties });
const list = () => [
  { name: "ends", inputSchema: object() },
  { name: "ends-once", inputSchema: object() },
  { name: "hangs", inputSchema: object() },
  { name: "floods", inputSchema: object() },
  { name: "storms", inputSchema: object() },
  { name: "asks", inputSchema: object() },
  { name: "fails", inputSchema: object() },
  { name: "shifts", inputSchema: object(fs.existsSync(`${folder}/shifted`) ? { b: { type: "integer" } } : { a: {} }) },
];
const calls = {
  ends: () => { console.error(`about to end: ${process.env.TOKEN}`); process.exit(7); },
  "ends-once": () => { if (!fs.existsSync(`${folder}/ended`)) { fs.writeFileSync(`${folder}/ended`, ""); process.exit(7); } return "again"; },
  hangs: () => undefined,
  floods: () => { process.stdout.write("x".repeat(9 << 20)); },
  storms: (id, token) => {
    for (let n = 0; n < 20000; n += 1) {
      send({ method: "notifications/message", params: { level: "info", data: `${n} ${"x".repeat(200)}` } });
      if (n % 10 === 0) send({ method: "notifications/tools/list_changed" });
      if (token !== undefined) send({ method: "notifications/progress", params: { progressToken: token, progress: n } });
    }
    return "calm again";
  },
  asks: () => { send({ id: "q", method: "elicitation/create", params: { message: "Which one?", requestedSchema: object() } }); },
  fails: () => { throw new Error("there is no such file"); },
  shifts: (id) => "shifted",
};
let waiting;
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const message = JSON.parse(line);
  const { id, method, params } = message;
  const answer = (result) => send({ id, result });
  if (id === "q") {
    note(`answer ${JSON.stringify(message.error ?? message.result)}`);
    const text = message.result ? `answered ${JSON.stringify(message.result)}` : "nobody answers";
    send({ id: waiting, result: { content: [{ type: "text", text }], isError: !message.result } });
  } else if (method === "initialize") {
    answer({ protocolVersion: params.protocolVersion, capabilities: { tools: { listChanged: true } }, serverInfo: { name: "odd", version: "1" } });
  } else if (method === "tools/list") {
    note("list");
    answer({ tools: list() });
  } else if (method === "tools/call") {
    note(`call ${params.name} ${params._meta?.["dev.pawl/idempotency-key"]}`);
    waiting = id;
    try {
      const text = calls[params.name](id, params._meta?.progressToken);
      if (text) answer({ content: [{ type: "text", text }] });
    } catch (error) {
      answer({ content: [{ type: "text", text: `${error.message}: ${process.env.TOKEN}` }], isError: true });
    }
  } else if (id !== undefined) {
    send({ id, error: { code: -32601, message: `no ${method}` } });
  }
});
JS
# A server of the newest protocol, over stdio and, where it is given a port, over streamable HTTP.
cat >modern.mjs <<'JS'
import { McpServer, createMcpHandler, inputRequired } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { Readable } from "node:stream";
import { z } from "zod";
import fs from "node:fs";
import http from "node:http";
const log = new URL("modern.log", import.meta.url);
const made = () => {
  const server = new McpServer({ name: "modern", version: "1.0.0" }, { capabilities: { tools: {} } });
  server.registerTool(
    "double",
    { description: "Doubles a number.", inputSchema: z.object({ n: z.number() }), outputSchema: z.object({ twice: z.number() }),
      annotations: { readOnlyHint: true } },
    async ({ n }) => ({ content: [{ type: "text", text: "doubled" }], structuredContent: { twice: 2 * n } }),
  );
  const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const elicit = (message) => inputRequired.elicit({ message, requestedSchema: city });
  server.registerTool("ask", { description: "Asks twice.", inputSchema: z.object({}) }, async (_, { mcpReq }) => {
    const state = typeof mcpReq.requestState === "function" ? mcpReq.requestState() : mcpReq.requestState;
    fs.appendFileSync(log, `call ${state} ${JSON.stringify(mcpReq.inputResponses ?? null)}\n`);
    const { from, to, back } = mcpReq.inputResponses ?? {};
    if (back) return { content: [{ type: "text", text: `${state}, back from ${back.action}` }] };
    if (from) return inputRequired({ inputRequests: { back: elicit("And back?") }, requestState: `${from.content.city}-${to.content.city}` });
    return inputRequired({ inputRequests: { from: elicit("From where?"), to: elicit("Where to?") }, requestState: "asked" });
  });
  return server;
};
if (process.env.PORT) {
  const { fetch } = createMcpHandler(made, { legacy: "reject" });
  const serve = async (request, response) => {
    const body = ["GET", "HEAD"].includes(request.method) ? undefined : Readable.toWeb(request);
    const answer = await fetch(new Request(`http://${request.headers.host}${request.url}`, { method: request.method, headers: request.headers, body, duplex: "half" }));
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body) Readable.fromWeb(answer.body).pipe(response);
    else response.end();
  };
  http.createServer((request, response) => serve(request, response).catch((error) => { console.error(error); response.destroy(); })).listen(process.env.PORT, "127.0.0.1");
} else {
  serveStdio(made, { legacy: "reject" });
}
JS
# The file system server speaks over stdin and stdout only: the SDK's own transports carry what it says.
cat >bridge.mjs <<'JS'
// A program that speaks over stdin and stdout, over streamable HTTP: one for each session, messages as they are.
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { randomUUID } from "node:crypto";
import http from "node:http";
const sessions = new Map();
const programs = new Set();
const begin = async () => {
  const program = new StdioClientTransport({ command: "node", args: process.argv.slice(2) });
  const web = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized: (id) => void sessions.set(id, web) });
  program.onmessage = (message) => web.send(message).catch(console.error);
  web.onmessage = (message) => program.send(message).catch(console.error);
  web.onclose = () => { programs.delete(program); program.close(); };
  programs.add(program);
  await program.start();
  await web.start();
  return web;
};
const serve = async (request, response) => {
  const known = sessions.get(request.headers["mcp-session-id"]);
  await (known ?? (await begin())).handleRequest(request, response);
};
http.createServer((request, response) => serve(request, response).catch((error) => { console.error(error); response.destroy(); })).listen(process.env.PORT, "127.0.0.1");
process.on("SIGTERM", async () => { await Promise.all([...programs].map((program) => program.close())); process.exit(0); });
JS
free() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }
# begin NAME FILE…: a server over HTTP, in a folder of its own, as those that pawl starts are looked for in this one.
begin() {
  at="$(free)"
  (cd away && PORT="$at" exec node "${@:2}") >"$1.log" 2>&1 &
  far+=($!)
  for _ in $(seq 100); do
    curl --silent --output /dev/null "http://127.0.0.1:$at/mcp" && return
    kill -0 "${far[-1]}" 2>/dev/null || { cat "$1.log" >&2; exit 1; }
    sleep 0.1
  done
  cat "$1.log" >&2
  exit 1
}
mkdir files notes odd away
packages="$work/node_modules/@modelcontextprotocol"
begin far "$packages/server-everything/dist/index.js" streamableHttp
port="$at"
begin far-modern "$work/modern.mjs"
modern_port="$at"
begin bridge "$work/bridge.mjs" "$packages/server-filesystem/dist/index.js" "$work/files"
bridge_port="$at"
echo "one line" >files/a.txt
everything="[node_modules/@modelcontextprotocol/server-everything/dist/index.js, stdio]"
cat >pawl.yaml <<YAML
models: { default: { provider: scripted, script: says.yaml } }
mcp:
  files:
    command: node
    args: [node_modules/@modelcontextprotocol/server-filesystem/dist/index.js, $work/files]
    trust_annotations: true
    effects: { write_file: idempotent }
  near: { command: node, args: $everything, env: { WORD: word, TOKEN: { env: MCP_TOKEN } } }
  far-modern: { url: "http://127.0.0.1:$modern_port/mcp", trust_annotations: true }
  far-files: { url: "http://127.0.0.1:$bridge_port/mcp", trust_annotations: true }
  far: { url: "http://127.0.0.1:$port/mcp", headers: { Authorization: { env: MCP_TOKEN, prefix: "Bearer " } } }
  modern: { command: node, args: [modern.mjs], trust_annotations: true }
  odd:
    command: node
    args: [odd.js, $work/odd]
    env: { TOKEN: { env: MCP_TOKEN } }
    timeout: 2s
    effects: { ends-once: pure }
    elicitation: false
  asks:
    command: node
    args: [odd.js, $work/odd]
    env: { TOKEN: { env: MCP_TOKEN } }
    timeout: 2s
    elicitation: { to: [group:office], due: 30d, on_timeout: cancel, hold: 1h }
  slow: { command: node, args: [odd.js, $work/odd], effects: { hangs: pure } }
  brief: { command: node, args: [odd.js, $work/odd], elicitation: { hold: 100ms } }
  few: { command: node, args: [odd.js, $work/odd], tools: [shifts], idle: 200ms }
  gone: { command: no-such-program }
  mute: { command: node, args: [-e, "console.error('cannot find ' + process.env.TOKEN); process.exit(3)"], env: { TOKEN: { env: MCP_TOKEN } } }
YAML
cat >says.yaml <<'YAML'
rules:
  - { when: { last: Travel. }, calls: [{ tool: mcp.modern.ask }, { tool: mcp.near.trigger-elicitation-request }, { tool: mcp.asks.asks }] }
  - { when: { last: answered }, reply: All is answered. }
  - { when: { turn: 0 }, calls: [{ tool: mcp.files.read_text_file, arguments: { path: a.txt } }] }
  - { when: { last: one line }, reply: It has one line. }
YAML
sed -i "s|path: a.txt|path: $work/files/a.txt|" says.yaml
export MCP_TOKEN=sk-canary-mcp

fail() { echo "mcp: $*" >&2; exit 1; }
has() { grep -qF -- "$2" <<<"$1" || fail "$3: '$2' is not in: $1"; }
# call SERVER TOOL ARGUMENTS: what a tool gives, or how it fails.
call() { "$pawl" --data data plugin run "mcp.$1" --call "$2" --with "${3:-{\}}" --no-interactive 2>&1; }
# workflow NAME STEPS…: a workflow of these lines.
workflow() {
  { printf 'pawl: 1\nworkflow: %s\nversion: 1.0.0\n' "$1"; printf '%s\n' "${@:2}"; } >"$1.yaml"
}
run() { "$pawl" --data data run "$1.yaml" --no-interactive 2>"$1.log"; }

# What there is, and what cannot be had.
listed="$("$pawl" --data data plugin list 2>&1)" && fail "a server that is not there was listed: $listed"
has "$listed" "read_text_file (pure)" "annotations that are believed"
has "$listed" "write_file (idempotent)" "an effect of the operator's"
has "$listed" "echo (at-most-once)" "annotations that are not believed"
has "$listed" "the program no-such-program cannot be started" "a program that is not there"
has "$listed" "cannot find [key]" "what a program that ends says"
[[ "$(grep -c "mcp.few .*shifts" <<<"$listed")" == 1 ]] || fail "tools that are left out: $listed"
inspected="$("$pawl" --data data plugin inspect mcp.modern)"
has "$inspected" "tool mcp.modern.double (pure): Doubles a number." "the newest protocol"
inspected="$("$pawl" --data data plugin inspect mcp.far-modern)"
has "$inspected" "tool mcp.far-modern.double (pure): Doubles a number." "the newest protocol over HTTP"

# A step and an agent.
workflow both "permissions: { models: [default], tools: [mcp.files.read_text_file] }" "steps:" \
  "  - { id: write, tool: mcp.files.write_file, with: { path: $work/files/b.txt, content: written } }" \
  "  - { id: read, tool: mcp.files.read_text_file, with: { path: $work/files/b.txt } }" \
  "  - { id: ask, agent: assistant, with: { task: How many lines has a.txt? } }" \
  'outputs: { read: "${{ steps.read.output.text }}", said: "${{ steps.ask.output.answer }}" }'
"$pawl" --data data check both.yaml >/dev/null || fail "check"
said="$(run both)" || fail "a step and an agent: $(cat both.log)"
has "$said" "written" "a step"
has "$said" "It has one line." "an agent"
sed 's/read_text_file, with: { path/read_text_file, with: { pth/' both.yaml >wrong.yaml
checked="$("$pawl" --data data check wrong.yaml 2>&1)" && fail "wrong arguments were not found"
has "$checked" "pth" "arguments are checked"
has "$(call files read_text_file "{\"path\":\"$work/pawl.yaml\"}" || true)" "Access denied" "an error of a tool"

# The workflow of the project: notes are read, a person sees the report, it is written. Its server is called `files`.
echo "The roof leaks." >notes/monday.txt
echo "The roofer comes on Friday." >notes/tuesday.txt
mkdir project
sed "s|$work/files\]|$work/notes]|; s|\[node_modules|[$work/node_modules|" pawl.yaml >project/pawl.yaml
cp "$root/workflows/models/files.yaml" project/clerk.yaml
cp "$root/workflows/files.yaml" project/files.yaml
sed -i "s|script: says.yaml } }|script: ../says.yaml }, clerk: { provider: scripted, script: clerk.yaml } }|" project/pawl.yaml
noted() { "$pawl" --data noted --config project/pawl.yaml "$@"; }
noted run project/files.yaml --no-interactive >noted.out 2>noted.log || [[ $? == 3 ]] || fail "files.yaml: $(cat noted.out noted.log)"
[[ ! -e notes/report.md ]] || fail "the report was written before anybody saw it"
written="$(noted approve "$(noted approvals --json | node -e 'console.log(JSON.parse(require("fs").readFileSync(0))[0].id)')" --no-interactive 2>>noted.log)" ||
  fail "files.yaml: $(cat noted.log)"
has "$written" "the roofer comes on Friday" "files.yaml"
has "$(cat notes/report.md)" "The roof leaks, and the roofer comes on Friday." "the report of files.yaml"
# Its tests need no server: none is named where they run.
"$pawl" --data tested --config "$root/pawl.yaml" test "$root/workflows/files.yaml" >tested.out 2>&1 || fail "its tests: $(cat tested.out)"

# All that a result can hold, over both ways.
for server in near far; do
  has "$(call "$server" echo '{"message":"hello"}')" "Echo: hello" "$server"
  has "$(call "$server" get-structured-content '{"location":"New York"}')" '"structured": {' "structured over $server"
  has "$(call "$server" get-tiny-image)" '"mimeType": "image/png"' "an image over $server"
  has "$(call "$server" get-resource-reference '{"resourceType":"Text","resourceId":1}')" '"resource": {' "a resource over $server"
done
environment="$(call near get-env)"
has "$environment" 'WORD' "its environment"
has "$environment" '[key]' "its environment"
grep -q "MCP_TOKEN\|CARGO\|PWD" <<<"$environment" && fail "it has more of the environment than it should: $environment"
has "$(call modern double '{"n":4}')" '"twice": 8' "the newest protocol"
has "$(call far-modern double '{"n":4}')" '"twice": 8' "the newest protocol over HTTP"
# The file system server over HTTP as over stdio.
has "$(call far-files write_file "{\"path\":\"$work/files/c.txt\",\"content\":\"from afar\"}")" "Successfully wrote" "a file over HTTP"
has "$(call far-files read_text_file "{\"path\":\"$work/files/c.txt\"}")" "from afar" "a file over HTTP"
has "$(call far-files read_text_file "{\"path\":\"$work/pawl.yaml\"}" || true)" "Access denied" "an error of a tool over HTTP"
# A server that behaves badly.
asked="$(call odd ends || true)"
has "$asked" "broke before it answered" "a server that ends"
has "$asked" "exit status: 7" "a server that ends"
has "$(call odd ends-once)" "again" "a call that may be made again is"
hung="$(call odd hangs || true)"
has "$hung" 'no answer within its `timeout` (2000 ms)' "a server that hangs"
has "$(call odd floods || true)" "mcp_message_max_bytes (8388608)" "a server that floods"
# Tens of thousands of notifications, thousands of which say that its tools are others: it is not asked for them each time.
lists="$(grep -c "^list$" odd/odd.log)"
has "$(call slow storms)" "calm again" "a server that floods with notifications"
(($(grep -c "^list$" odd/odd.log) - lists <= 20)) || fail "it was asked for its tools again and again: $(grep -c "^list$" odd/odd.log)"
asked="$(call odd asks || true)"
has "$asked" "Which one?" "a server that may not ask people"
has "$(cat odd/odd.log)" 'answer {"code":-32600' "a server that may not ask people"
has "$(call odd fails || true)" "there is no such file: [key]" "a secret in an error"
# The key is the same for both tries of a call.
[[ "$(grep "call ends-once" odd/odd.log | sort -u | wc -l)" == 1 && "$(grep -c "call ends-once" odd/odd.log)" == 2 ]] ||
  fail "keys: $(cat odd/odd.log)"

# What a server asks is an approval of the run: of a step and of an agent, over all protocols and both ways, answered
# while the call waits, and after pawl was killed while it did.
approval() { "$pawl" --data data approvals --json | field "const one = it.find((one) => one.title.includes('$1')); one && one.id"; }
field() { node -e "const it = JSON.parse(require('fs').readFileSync(0)); const said = eval(process.argv[1]); console.log(said ?? '')" "$1"; }
answer() { "$pawl" --data data answer "$(approval "$1")" "${@:2}" --no-interactive 2>>answers.log; }
for server in near far; do
  given="$("$pawl" --data data plugin run "mcp.$server" --call trigger-elicitation-request --answer 'accept {"name":"Ann"}' --no-interactive 2>&1)" ||
    fail "a question over $server: $given"
  has "$given" "Name: Ann" "a question over $server"
done
for action in decline cancel; do
  given="$("$pawl" --data data plugin run mcp.near --call trigger-elicitation-request --answer "$action" --no-interactive 2>&1)"
  has "$given" "$action" "a question that is not answered"
done
for server in modern far-modern; do
  : >modern.log
  workflow travel "steps: [{ id: one, tool: mcp.$server.ask }]" 'outputs: { said: "${{ steps.one.output.text }}" }'
  run travel >travel.out || [[ $? == 3 ]] || fail "a step whose server asks: $(cat travel.out travel.log)"
  wrong="$("$pawl" --data data answer "$(approval "From where?")" accept --data town=Bonn --no-interactive 2>&1)" && fail "a form was not checked: $wrong"
  has "$wrong" "city" "a form is checked"
  answer "From where?" accept --data city=Bonn >/dev/null || [[ $? == 3 ]] || fail "an answer: $(cat answers.log)"
  answer "Where to?" accept --data city=Rome >/dev/null || [[ $? == 3 ]] || fail "an answer: $(cat answers.log)"
  [[ "$(wc -l <modern.log)" == 2 ]] || fail "$server: it is called again when all is answered, and then once: $(cat modern.log)"
  has "$(answer "And back?" decline)" "Bonn-Rome, back from decline" "answers and state go back"
  [[ "$(wc -l <modern.log)" == 3 ]] || fail "$server: calls: $(cat modern.log)"
done

workflow office "steps:" "  - id: both" "    parallel:" "      join: any" "      branches:" \
  "        ask: [{ id: ask, tool: mcp.asks.asks }]" "        busy: [{ id: busy, tool: mcp.slow.hangs }]" \
  'outputs: { said: "${{ steps.both.output }}" }'
# open_office: a process that has something to do and holds the run, whose server waits for an answer.
open_office() {
  calls="$(grep -c "call asks" odd/odd.log || true)"
  "$pawl" --data data run office.yaml --no-interactive >office.out 2>office.log &
  held=$!
  for _ in $(seq 300); do
    asked="$(approval "Which one?" 2>/dev/null || true)"
    [[ -n "$asked" ]] && return
    kill -0 "$held" 2>/dev/null || break
    sleep 0.1
  done
  fail "it does not ask: $(cat office.out office.log)"
}
open_office
[[ "$("$pawl" --data data approvals --json | field "it[0].to + it[0].on_timeout")" == "group:officecancel" ]] || fail "of whom it is asked"
# The server that runs now was given a secret: it is in its environment, and in the arguments of no process.
printf %s "$MCP_TOKEN" >canary
server="$(grep start odd/odd.log | tail -n 2 | cut -d' ' -f2)"
for pid in $server; do grep -qF -f canary "/proc/$pid/environ" 2>/dev/null && given_to="$pid"; done
[[ -n "${given_to:-}" ]] || fail "no server that runs was given the secret: $server"
told="$(grep -lF -f canary /proc/[0-9]*/cmdline 2>/dev/null || true)"
[[ -z "$told" ]] || fail "a secret stands in arguments: $told"
# The process that holds the folder has it answered: the call that waits goes on.
"$pawl" --data data answer "$asked" accept --no-wait 2>>answers.log >/dev/null || fail "an answer: $(cat answers.log)"
wait "$held" || fail "a call that waits: $(cat office.out office.log)"
has "$(cat office.out)" 'answered {' "a call that waits"
[[ "$(grep -c "call asks" odd/odd.log)" == "$((calls + 1))" ]] || fail "it was called more than once: $(cat odd/odd.log)"
# Killed while the approval is open: it stands, and the call is made again and gets the answer.
open_office
kill -9 "$held"
wait "$held" 2>/dev/null || true
[[ "$(approval "Which one?")" == "$asked" ]] || fail "the approval is gone"
[[ "$(grep -c "call asks" odd/odd.log)" == "$((calls + 1))" ]] || fail "it was called without an answer"
given="$("$pawl" --data data answer "$asked" accept --no-interactive 2>>answers.log)" || fail "an answer after a kill: $(cat answers.log)"
has "$given" 'answered {' "an answer after a kill"
[[ "$(grep "call asks" odd/odd.log | tail -n 2 | sort -u | wc -l)" == 1 && "$(grep -c "call asks" odd/odd.log)" == "$((calls + 2))" ]] ||
  fail "the call is made again, with the same key: $(cat odd/odd.log)"
"$pawl" --data data answer "$asked" accept --no-interactive >again.out 2>&1 && fail "answered twice: $(cat again.out)"
# One that waits longer than `hold` is given up, and made again with the answer.
sed 's/mcp.asks.asks/mcp.brief.asks/' office.yaml >brief.yaml
mv brief.yaml office.yaml
open_office
sleep 0.5
"$pawl" --data data answer "$asked" accept --no-wait 2>>answers.log >/dev/null || fail "an answer: $(cat answers.log)"
wait "$held" || fail "a call that was given up: $(cat office.out office.log)"
[[ "$(grep -c "call asks" odd/odd.log)" == "$((calls + 2))" ]] || fail "it was not called again: $(cat odd/odd.log)"

# An agent, three of whose calls ask at once; killed between each answer and the next.
workflow agent "permissions: { models: [default], tools: [mcp.modern.ask, mcp.near.trigger-elicitation-request, mcp.asks.asks] }" "steps:" \
  "  - { id: ask, agent: assistant, with: { task: Travel. } }" 'outputs: { said: "${{ steps.ask.output.answer }}" }'
run agent >agent.out || [[ $? == 3 ]] || fail "an agent whose tools ask: $(cat agent.out agent.log)"
[[ "$("$pawl" --data data approvals --json | field "it.length")" == 3 ]] || fail "three calls ask: $("$pawl" --data data approvals)"
answer "From where?" accept --data city=Bonn >/dev/null || [[ $? == 3 ]] || fail "an answer: $(cat answers.log)"
answer "Please provide inputs" accept --data name=Ann >/dev/null || [[ $? == 3 ]] || fail "an answer: $(cat answers.log)"
answer "Which one?" accept >/dev/null || [[ $? == 3 ]] || fail "an answer: $(cat answers.log)"
answer "Where to?" accept --data city=Rome >/dev/null || [[ $? == 3 ]] || fail "an answer: $(cat answers.log)"
said="$(answer "And back?" accept --data city=Bonn)" || fail "the last answer: $(cat answers.log)"
has "$said" "All is answered." "an agent whose tools ask"

# An outcome that nobody knows: a person is asked, and the call is not made again by itself.
workflow unknown "steps: [{ id: one, tool: mcp.odd.ends }]"
run unknown >unknown.out && fail "an outcome that nobody knows: $(cat unknown.out)"
[[ "$("$pawl" --data data runs --json | node -e 'const runs = JSON.parse(require("fs").readFileSync(0)); console.log(runs.find((run) => run.workflow === "unknown").status)')" == waiting ]] ||
  fail "the run does not wait: $(cat unknown.out unknown.log)"

# A tool that is another when a run comes to it.
workflow shift "steps:" \
  "  - id: pause" "    human: { title: Go on?, actions: [approve, reject], due: 1h, on_timeout: reject }" \
  "  - { id: shift, tool: mcp.odd.shifts, with: { a: 1 } }"
run shift >shift.out || [[ $? == 3 ]] || fail "a run that asks: $(cat shift.out shift.log)"
"$pawl" --data data lock shift.yaml >/dev/null || fail "a lock"
grep -q 'name = "mcp.odd"' pawl.lock || fail "the server is not in the lock: $(cat pawl.lock)"
"$pawl" --data data check --locked shift.yaml >/dev/null || fail "a server that is as it was locked"
touch odd/shifted
approval="$("$pawl" --data data approvals --json | node -e 'const open = JSON.parse(require("fs").readFileSync(0)); console.log(open.find((one) => one.title === "Go on?").id)')"
before="$(grep -c "call shifts" odd/odd.log || true)"
shifted="$("$pawl" --data data approve "$approval" 2>&1)" && fail "a tool that has changed was called: $shifted"
has "$shifted" "mcp.odd.shifts takes other arguments now" "a tool that has changed"
[[ "$(grep -c "call shifts" odd/odd.log || true)" == "$before" ]] || fail "the tool was called"
shifted="$("$pawl" --data data check --locked shift.yaml 2>&1)" && fail "a server that is another passed the lock"
has "$shifted" "mcp.odd" "a server that is another than was locked"

# Closed when nobody needs it, and none is left when pawl has ended, however stubborn.
touch odd/stubborn
workflow idle "steps:" "  - { id: one, tool: mcp.few.shifts }" "  - { id: pause, wait: 2s }" "  - { id: two, tool: mcp.few.shifts }"
starts="$(grep -c start odd/odd.log)"
run idle >idle.out || fail "a server that was closed is started again: $(cat idle.out idle.log)"
(($(grep -c start odd/odd.log) - starts >= 2)) || fail "it was not closed: $(cat odd/odd.log)"
# left_over: any program that has this folder as its own, which no server has that this script has started.
left_over() {
  for process in /proc/[0-9]*; do
    pid="${process#/proc/}"
    [[ "$(readlink "$process/cwd" 2>/dev/null)" == "$work" ]] || continue
    grep -qz '^node$' "$process/cmdline" 2>/dev/null && echo "$pid" "$(tr '\0' ' ' <"$process/cmdline")"
  done
  true
}
[[ -z "$(left_over)" ]] || fail "servers are left over: $(left_over)"
grep -q SIGTERM odd/odd.log || fail "nobody told a stubborn server to end: $(cat odd/odd.log)"
# Nor when pawl is killed and can tell nobody.
open_office
[[ -n "$(left_over)" ]] || fail "its server does not run"
kill -9 "$held"
wait "$held" 2>/dev/null || true
for _ in $(seq 200); do
  left="$(left_over)"
  [[ -n "$left" ]] || break
  sleep 0.1
done
[[ -z "$left" ]] || fail "servers outlive a pawl that was killed: $left"
"$pawl" --data data answer "$asked" cancel --no-wait 2>>answers.log >/dev/null || fail "an answer: $(cat answers.log)"

if grep -rq "sk-canary" data noted ./*.log ./*.out; then
  fail "a secret was written down: $(grep -rl "sk-canary" data noted ./*.log ./*.out)"
fi
echo "mcp: real servers over stdio and streamable HTTP, the newest protocol over both; one that ends, hangs, floods, asks and changes"
