// What changes while somebody looks, and what was missed while the server was away.
import { assert, equal } from "./lib.mjs";
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
