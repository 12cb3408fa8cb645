// What people do: start a run from a form, watch it, answer, be told what is wrong.
import { assert, equal } from "./lib.mjs";
import { FORM, shipped } from "./flows.mjs";

const status = (page) => page.locator(".run-head .status");
const decide = (page, action) => page.getByRole("group", { name: "answer" }).getByRole("button", { name: action }).click();

export async function a_run_is_started_from_its_form_and_watched_to_its_end({ server, browser }) {
  const page = await browser.page(server);
  await page.see("workflows");
  await page.getByLabel("workflow", { exact: true }).fill(FORM);
  await page.getByRole("button", { name: "check" }).click();
  const form = page.getByRole("form", { name: "start a run" });
  await form.getByLabel("who").fill("x");
  await form.getByLabel("days").fill("many");
  await form.getByRole("button", { name: "start" }).click();
  await form.getByText("needs at least 2 characters").waitFor();
  await form.getByText("must be a whole number").waitFor();
  const first = () => document.activeElement === document.querySelector("[aria-invalid=true]");
  assert(await page.evaluate(first), "the first wrong field has the focus");
  equal(await form.getByLabel("days").getAttribute("aria-invalid"), "true", "the field says that it is wrong");
  await form.getByLabel("who").fill("ann");
  await form.getByLabel("days").fill("3");
  await page.shot("start");
  await form.getByRole("button", { name: "start" }).click();

  await page.getByText("May ann be away for 3 days?").first().waitFor();
  await page.locator('.node[data-step="ask"][data-status="waiting"]').waitFor();
  await page.locator('.node[data-step="note"][data-status="ahead"]').waitFor();
  await page.getByLabel("until").fill("2026-12-24");
  await page.getByLabel("cover").selectOption({ label: "bob" });
  await page.shot("run-waits");
  await decide(page, "approve");
  await status(page).getByText("completed").waitFor();
  await page.locator('.node[data-step="note"][data-status="completed"]').waitFor();
  await page.shot("run-completed");
  await page.getByRole("tab", { name: "Data" }).click();
  await page.getByLabel("outputs").getByText('"2026-12-24"').waitFor();
  await page.end();
}

export async function a_form_that_does_not_fit_is_shown_at_its_field_and_nothing_is_sent({ server, browser }) {
  const run = await server.begin(FORM, { who: "cleo", days: 2 });
  const waiting = await server.until(run.id, (found) => found.status === "waiting");
  const page = await browser.page(server);
  let sent = 0;
  page.on("request", (request) => (sent += request.url().endsWith("/decide") ? 1 : 0));
  await page.see(`inbox/${waiting.waiting.approval}`);
  await decide(page, "approve");
  await page.locator(".field.is-wrong", { hasText: "until" }).getByText("is required").waitFor();
  assert(await page.getByLabel("until").evaluate((node) => node === document.activeElement), "the wrong field has the focus");
  await page.shot("form-error");
  equal(sent, 0, "answers that were sent");

  // What only the server can know is at the field as well.
  await page.getByLabel("until").fill("2026-12-31");
  await page.route("**/decide", (route) =>
    route.fulfill({ status: 409, contentType: "application/problem+json", body: JSON.stringify({ title: "the run does not take it", status: 409, code: "refused", detail: 'the form does not accept this: /until: "2026-12-31" is too late' }) }),
    { times: 1 });
  await decide(page, "approve");
  await page.locator(".field.is-wrong", { hasText: "until" }).getByText("is too late").waitFor();

  await page.getByLabel("reason").fill("too many are away");
  await decide(page, "reject");
  await page.getByText("answered reject").waitFor();
  await page.getByRole("link", { name: "see the run go on" }).click();
  await status(page).getByText("completed").waitFor();
  const found = await server.call("GET", `/v1/runs/${run.id}`);
  equal(found.outputs.answer, "reject", "what was answered");
  const journal = await server.call("GET", `/v1/runs/${run.id}/journal?limit=100`);
  const decided = journal.items.find((event) => event.event === "approval-decided");
  equal(decided.data.comment, "too many are away", "the reason in the journal");
  await page.end();
}

export async function arguments_of_a_guarded_call_are_changed_and_what_was_allowed_is_done({ server, browser }) {
  const run = await server.begin(shipped("guarded"));
  const waiting = await server.until(run.id, (found) => found.status === "waiting");
  const page = await browser.page(server);
  await page.see(`inbox/${waiting.waiting.approval}`);
  await page.getByLabel("what an answer allows").getByText("payments.refund").waitFor();
  await page.getByRole("button", { name: "change the arguments" }).click();
  await page.getByLabel("amount").fill("lots");
  await decide(page, "approve");
  await page.locator(".field.is-wrong", { hasText: "amount" }).getByText("must be a number").waitFor();
  await page.getByLabel("amount").fill("12.5");
  await page.shot("edited-arguments");
  await decide(page, "approve");
  await page.getByText("answered approve").waitFor();
  const journal = await server.call("GET", `/v1/runs/${run.id}/journal?limit=500`);
  const decided = journal.items.find((event) => event.event === "approval-decided");
  equal(decided.data.data.inline.arguments.amount, 12.5, "the changed argument");
  await page.end();
}

// Only keys that a person without a mouse has.
export async function an_approval_is_answered_with_the_keyboard_alone({ server, browser }) {
  const run = await server.begin(FORM, { who: "dora", days: 4 });
  await server.until(run.id, (found) => found.status === "waiting");
  const page = await browser.page(server, { locale: "en-US" });
  await page.see("runs");
  await page.getByRole("heading", { name: "Runs" }).waitFor();
  const focused = () => page.evaluate(() => {
    const node = document.activeElement;
    return { text: node.innerText ?? "", id: node.id, tag: node.tagName, outline: getComputedStyle(node).outlineStyle };
  });
  // To what is looked for, with Tab; each place on the way can be seen to have the focus.
  const tabTo = async (holds, text) => {
    for (let at = 0; at < 60; at += 1) {
      await page.keyboard.press("Tab");
      const now = await focused();
      assert(now.tag === "BODY" || now.outline !== "none", `the focus is not to be seen on ${now.tag} ${now.id} ${now.text.slice(0, 40)}`);
      if (holds(now)) return;
    }
    throw new Error(`Tab does not come to ${text}`);
  };
  await page.keyboard.press("g");
  await page.keyboard.press("i");
  await page.getByRole("heading", { name: "Inbox" }).waitFor();
  await page.getByText("May dora be away for 4 days?").first().waitFor();
  await tabTo((now) => now.text.includes("May dora be away"), "the approval");
  await page.keyboard.press("Enter");
  await page.getByLabel("until").waitFor();
  await tabTo((now) => now.id.endsWith("-until"), "the first field");
  // As a reader in this place writes a date.
  await page.keyboard.type("12242026");
  equal(await page.getByLabel("until").inputValue(), "2026-12-24", "the date");
  await tabTo((now) => now.id.endsWith("-cover"), "the second field");
  await page.keyboard.press("ArrowDown");
  await tabTo((now) => now.tag === "BUTTON" && now.text === "approve", "approve");
  await page.keyboard.press("Enter");
  const ended = await server.until(run.id, (found) => found.status === "completed");
  equal(ended.outputs.answer, "approve", "what was answered");
  await page.end();
}

export async function an_admin_picks_the_namespace_that_is_shown({ server, browser }) {
  const source = (name) => `pawl: 1\nworkflow: ${name}\nversion: 1.0.0\nsteps: [{ id: a, set: 1 }]\n`;
  const page = await browser.page(server);
  await server.call("POST", "/v1/runs", { source: source("of-nobody") });
  await page.see("runs");
  await page.locator(".run-name", { hasText: "of-nobody" }).first().waitFor();
  equal(await page.getByLabel("namespace").count(), 0, "nothing is there to be picked");
  for (const name of ["north", "south"]) {
    await server.call("POST", "/v1/namespaces", { name });
    await server.call("POST", "/v1/runs", { source: source(`of-${name}`) }, { "pawl-namespace": name });
  }
  await page.reload();
  const shows = async (wanted) => {
    for (const name of wanted) await page.locator(".run-name", { hasText: `of-${name}` }).first().waitFor();
    for (const name of ["nobody", "north", "south"]) {
      const count = await page.locator(".run-name", { hasText: `of-${name}` }).count();
      equal(count > 0, wanted.includes(name), `runs of ${name} are seen`);
    }
  };
  await shows(["nobody", "north", "south"]);
  await page.getByLabel("namespace").selectOption("north");
  await shows(["north"]);
  await page.shot("namespace");
  // What changes meanwhile is heard of that one alone, and it stays picked.
  await server.call("POST", "/v1/runs", { source: source("of-south-too") }, { "pawl-namespace": "south" });
  await server.call("POST", "/v1/runs", { source: source("of-north-too") }, { "pawl-namespace": "north" });
  await page.locator(".run-name", { hasText: "of-north-too" }).first().waitFor();
  equal(await page.locator(".run-name", { hasText: "of-south-too" }).count(), 0, "runs of another namespace");
  await page.reload();
  await shows(["north"]);
  equal(await page.getByLabel("namespace").inputValue(), "north", "the namespace that is picked");
  await page.getByLabel("namespace").selectOption({ label: "all namespaces" });
  await shows(["nobody", "north", "south"]);
  await page.end();
}
