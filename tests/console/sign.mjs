// A server that wants to know who asks, and people who sign in with tokens of it: each sees and does what theirs may.
import { Server, assert, equal } from "./lib.mjs";

const ASKED = `
pawl: 1
workflow: purchase
version: 1.0.0
steps:
  - { id: ask, human: { title: "Buy it?", to: ["group:finance"], actions: [approve, reject] } }
outputs: { answer: "\${{ steps.ask.output.action }}" }
`;
const status = (page) => page.locator(".run-head .status");
const decide = (page, action) => page.getByRole("group", { name: "answer" }).getByRole("button", { name: action }).click();
const live = (page) => page.locator(".link", { hasText: "live" }).waitFor();

// Does `work` with a server that asks for tokens, and a run of it that waits for somebody of group:finance.
async function guarded(work) {
  const server = new Server(["--identity", "required"]);
  server.secret = server.token("root", "admin").secret;
  await server.start();
  try {
    const { id } = await server.call("POST", "/v1/runs", { source: ASKED });
    const run = await server.until(id, (found) => found.status === "waiting");
    await work({ server, run, approval: run.waiting.approval });
  } finally {
    await server.stop();
  }
}

// A page of somebody who has signed in at `place`. No address that it asks for has the token in it.
async function signedIn({ server, browser }, { secret }, place) {
  const page = await browser.page(server);
  page.on("request", (request) => {
    if (request.url().includes(secret)) page.wrong.push(`the token is in an address: ${request.url()}`);
  });
  await page.see(place);
  await page.getByLabel("token").fill(secret);
  await page.keyboard.press("Enter");
  await live(page);
  return page;
}

export async function who_signs_in_sees_and_does_what_their_token_may({ browser }) {
  await guarded(async ({ server, run, approval }) => {
    const context = { server, browser };
    const viewer = await signedIn(context, server.token("viv", "viewer"), `runs/${run.id}`);
    await viewer.locator(".who", { hasText: "user:viv" }).waitFor();
    await status(viewer).getByText("waiting").waitFor();

    // A viewer is shown what is asked, and told why they cannot answer.
    const inbox = await signedIn(context, server.token("vera", "viewer"), `inbox/${approval}`);
    await decide(inbox, "approve");
    const trouble = inbox.locator(".trouble");
    await trouble.getByText("the right to decide, and the caller is viewer").waitFor();
    equal(await trouble.locator("a").innerText(), "forbidden", "the code");
    await inbox.shot("viewer-may-not-decide");
    // So is an approver who is not asked.
    const other = await signedIn(context, server.token("otto", "approver", "group:other"), `inbox/${approval}`);
    await decide(other, "approve");
    await other.locator(".trouble").getByText("not-asked").waitFor();
    equal((await server.call("GET", `/v1/runs/${run.id}`)).status, "waiting", "the run, before somebody may");

    const approver = await signedIn(context, server.token("ann", "approver", "group:finance"), `inbox/${approval}`);
    await decide(approver, "approve");
    await approver.getByText("answered approve").waitFor();
    // The others hear of it by their streams.
    await status(viewer).getByText("completed").waitFor();
    await inbox.getByText("Nothing waits for a person.").waitFor();
    const journal = await server.call("GET", `/v1/runs/${run.id}/journal?limit=100`);
    const decided = journal.items.filter((event) => event.event === "approval-decided");
    equal(decided.map(({ data }) => [data.by.name, data.by.via.replace(/ [0-9a-f]+$/, "")]), [["user:ann", "http token"]], "who decided");
    for (const page of [viewer, inbox, other, approver]) await page.end();
  });
}

export async function a_wrong_token_lets_nobody_in_and_a_right_one_stays_until_who_has_it_signs_out({ browser }) {
  await guarded(async ({ server, run }) => {
    const page = await browser.page(server);
    const answers = [];
    page.on("response", (response) => {
      const { pathname } = new URL(response.url());
      if (pathname.startsWith("/v1/")) answers.push([pathname, response.status()]);
    });
    const { secret } = server.token("viv", "viewer");
    const gone = server.token("gone", "admin");
    server.command("token", "revoke", gone.id);
    await page.see("runs");
    for (const wrong of ["pawl_x", `${secret.slice(0, -4)}0000`, gone.secret, "nobody's"]) {
      const answered = page.waitForResponse((response) => response.url().endsWith("/v1/me"));
      await page.getByLabel("token").fill(wrong);
      await page.getByRole("button", { name: "sign in" }).click();
      await answered;
      await page.getByText("The server does not take this token").waitFor();
    }
    await page.shot("sign-in");
    assert(answers.length >= 4 && answers.every(([, status]) => status === 401), `somebody unknown was answered: ${JSON.stringify(answers)}`);

    await page.getByLabel("token").fill(secret);
    await page.getByRole("button", { name: "sign in" }).click();
    await live(page);
    await page.locator(`.run-row[href="#/runs/${run.id}"]`).waitFor();
    const kept = () => page.evaluate(() => [Object.values(sessionStorage), JSON.stringify(localStorage).includes("pawl_"), document.cookie]);
    equal(await kept(), [[secret], false, ""], "where the token is");
    await page.reload();
    await live(page);
    const streams = async () => (await server.call("GET", "/v1/system")).streams_open;
    assert((await streams()) > 0, "the page follows a stream");

    await page.getByRole("button", { name: "sign out" }).click();
    await page.getByLabel("token").waitFor();
    equal(await kept(), [[], false, ""], "what is kept of the token");
    await page.reload();
    await page.getByLabel("token").waitFor();
    // What it followed has ended.
    for (const end = Date.now() + 20_000; (await streams()) > 0; ) assert(Date.now() < end, "a stream goes on after its reader signed out");
    await page.end();
  });
}

export async function a_token_that_is_revoked_while_somebody_looks_is_asked_for_again({ browser }) {
  await guarded(async ({ server, run }) => {
    const token = server.token("viv", "viewer");
    const page = await signedIn({ server, browser }, token, `runs/${run.id}`);
    await status(page).getByText("waiting").waitFor();
    server.command("token", "revoke", token.id);
    await page.getByLabel("token").waitFor();
    equal(await page.getByText("Buy it?").count(), 0, "what is still shown");
    await page.end();
  });
}
