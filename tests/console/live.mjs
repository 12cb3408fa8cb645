// What changes while somebody looks, and what was missed while the server was away.
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { Server, assert, equal } from "./lib.mjs";
import { FORM, STEPWISE } from "./flows.mjs";

const node = (page, step, status) => page.locator(`.node[data-step="${step}"][data-status="${status}"]`).waitFor();
const link = (page) => page.locator(".rail .link");

export async function the_graph_lights_up_step_by_step({ server, browser }) {
  const run = await server.begin(STEPWISE);
  const page = await browser.page(server);
  await page.see(`runs/${run.id}`);
  await node(page, "first", "waiting");
  await node(page, "second", "ahead");
  await page.locator(".waits", { hasText: "the signal “go”" }).waitFor();
  await page.locator(".run-actions").getByRole("button", { name: "signal" }).click();
  const dialog = page.getByRole("dialog");
  equal(await dialog.getByLabel("name").inputValue(), "go", "the signal that it waits for is there");
  await dialog.getByRole("button", { name: "signal", exact: true }).click();
  await node(page, "first", "completed");
  await node(page, "second", "waiting");
  await page.getByRole("tab", { name: "Timeline" }).click();
  await page.locator(".time-row", { hasText: "second" }).locator(".bar-wait").waitFor();
  await page.shot("timeline");
  await page.end();
  await server.call("POST", `/v1/runs/${run.id}/cancel`, {});
}

export async function a_run_is_suspended_resumed_and_cancelled({ server, browser }) {
  const run = await server.begin(STEPWISE);
  const page = await browser.page(server);
  const act = async (name) => {
    await page.locator(".run-actions").getByRole("button", { name }).click();
    await page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
  };
  await page.see(`runs/${run.id}`);
  await act("suspend");
  await page.locator(".run-head .status", { hasText: "suspended" }).waitFor();
  await page.getByText("somebody to resume it").waitFor();
  await act("resume");
  await page.locator(".run-head .status", { hasText: "waiting" }).waitFor();
  await act("cancel");
  await page.locator(".run-head .status", { hasText: "cancelled" }).waitFor();
  equal((await server.call("GET", `/v1/runs/${run.id}`)).status, "cancelled", "the run");
  await page.end();
}

// A model that says a line and then no more until it is told to go on.
async function slowModel() {
  const line = (content, more) => `${JSON.stringify({ message: { role: "assistant", content }, ...more })}\n`;
  let finish;
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    response.write(line("A desk lamp,\n", { done: false }));
    finish = () => response.end(line("and no table.", { done: true, done_reason: "stop", prompt_eval_count: 7, eval_count: 3 }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, finish: () => finish(), end: () => server.close() };
}

export async function what_a_model_says_is_seen_while_it_says_it({ browser }) {
  const model = await slowModel();
  const server = new Server();
  writeFileSync(join(server.data, "pawl.yaml"), `models: { default: { provider: ollama, model: slow, base_url: "${model.url}" } }\n`);
  await server.start();
  try {
    await hears(server, browser, model);
  } finally {
    await server.stop();
    model.end();
  }
}

async function hears(server, browser, model) {
  const run = await server.begin(`
pawl: 1
workflow: slow
version: 1.0.0
permissions: { models: [default] }
steps:
  - { id: go, signal: { name: go, due: 1h } }
  - { id: say, agent: assistant, with: { task: "What is A-1001?" } }
`);
  const page = await browser.page(server);
  await page.see(`runs/${run.id}?tab=agents`);
  // By then it hears of the run's events, and so the model is asked to speak piece by piece.
  await page.getByText("(http)").waitFor();
  await page.locator(".waits", { hasText: "the signal “go”" }).waitFor();
  await server.call("POST", `/v1/runs/${run.id}/signals/go`, {});
  await page.getByText("says so right now").waitFor();
  equal(await page.locator(".said-model .text").innerText(), "A desk lamp,", "what is said so far");
  await page.shot("says");
  model.finish();
  await page.getByText("says so right now").waitFor({ state: "detached" });
  await page.locator(".said-model .text", { hasText: "and no table." }).waitFor();
  await page.end();
}

export async function what_happened_while_the_server_was_away_is_there_afterwards({ server, browser }) {
  const first = await server.begin(STEPWISE);
  const list = await browser.page(server);
  const page = await browser.page(server);
  const inbox = await browser.page(server);
  await list.see("runs");
  await inbox.see("inbox");
  await page.see(`runs/${first.id}?tab=journal`);
  for (const one of [list, page, inbox]) await link(one).getByText("live").waitFor();
  await list.locator(`a[href="#/runs/${first.id}"]`).getByText("waiting").waitFor();
  const before = await page.locator(".event-row").count();

  await server.kill();
  for (const one of [list, page, inbox]) await link(one).getByText("reconnecting").waitFor();
  await list.shot("away");
  await server.start();
  // Before the pages are back: one of them has waited longest and sees it only when it asks again.
  const second = await server.begin(FORM, { who: "eve", days: 5 });
  await server.call("POST", `/v1/runs/${first.id}/signals/go`, {});
  await server.call("POST", `/v1/runs/${first.id}/signals/go`, {});
  await server.until(first.id, (found) => found.status === "completed");

  for (const one of [list, page, inbox]) await link(one).getByText("live").waitFor();
  await list.locator(`a[href="#/runs/${first.id}"]`).getByText("completed").waitFor();
  await list.locator(`a[href="#/runs/${second.id}"]`).getByText("waiting").first().waitFor();
  await inbox.getByText("May eve be away for 5 days?").waitFor();
  await page.locator(".event-row", { hasText: "run-completed" }).waitFor();
  // No event is missing, and none is there twice.
  const seqs = await page.locator(".event-row > code").allInnerTexts();
  const journal = await server.call("GET", `/v1/runs/${first.id}/journal?limit=500`);
  equal(seqs, journal.items.map((event) => String(event.seq)), "the events that are shown");
  assert(seqs.length > before, "there are more than before");
  for (const one of [list, page, inbox]) await one.end();
}
