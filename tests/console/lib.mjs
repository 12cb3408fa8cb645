// A server, a browser, and ways to look at both.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { PAWL, ROOT, TOOLS, SHOTS } = process.env;
const { chromium } = createRequire(`${TOOLS}/`)("playwright-core");
export const PATIENCE_MS = 30_000;
export const DESK = { width: 1320, height: 840 };
export const PHONE = { width: 390, height: 844 };
mkdirSync(SHOTS, { recursive: true });

export function assert(holds, text) {
  if (!holds) throw new Error(text);
}

export function equal(found, wanted, text) {
  assert(JSON.stringify(found) === JSON.stringify(wanted), `${text}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
}

// `pawl serve` on a data folder of its own; `more` are further arguments of it.
export class Server {
  data = mkdtempSync(join(tmpdir(), "pawl-console-"));
  port = 0;
  // The token that this file asks with, where one is needed.
  secret = "";

  constructor(more = []) {
    this.more = more;
  }

  async start() {
    const options = { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] };
    this.process = spawn(PAWL, ["serve", "--json", "--listen", `127.0.0.1:${this.port}`, "--data", this.data, ...this.more], options);
    this.ended = once(this.process, "exit");
    let said = "";
    for await (const piece of this.process.stdout) {
      said += piece;
      try {
        this.url = JSON.parse(said).url;
        break;
      } catch {
        // The document is not whole yet.
      }
    }
    assert(this.url, "the server did not start");
    this.port = Number(new URL(this.url).port);
  }

  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
    rmSync(this.data, { recursive: true, force: true });
  }

  async call(method, path, body, more = {}) {
    const response = await fetch(this.url + path, {
      method,
      headers: { "content-type": "application/json", ...(this.secret && { authorization: `Bearer ${this.secret}` }), ...more },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  // What a command on the data folder prints, as JSON.
  command(...words) {
    const said = spawnSync(PAWL, ["--data", this.data, ...words, "--json"], { encoding: "utf8" });
    assert(said.status === 0, `pawl ${words.join(" ")}: ${said.stderr}`);
    return JSON.parse(said.stdout);
  }

  // A token, with its secret.
  token(name, role, ...groups) {
    return this.command("token", "create", "--name", name, "--role", role, ...groups.flatMap((group) => ["--group", group]));
  }

  // What names files is registered where they are; over the network no text leads to any.
  begin(source, inputs = {}) {
    const whole = source.replaceAll(/\.\/(\S+?\.(yaml|wasm))/g, (_, path) => join(ROOT, path));
    if (whole === source) return this.call("POST", "/v1/runs", { source, inputs });
    const file = join(this.data, "registered.yaml");
    writeFileSync(file, whole);
    this.command("workflow", "register", file, "--activate");
    return this.call("POST", "/v1/runs", { workflow: /^workflow: (\S+)/m.exec(source)[1], inputs });
  }

  // The run, once `holds` says so of it.
  async until(run, holds) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const found = await this.call("GET", `/v1/runs/${run}`);
      if (holds(found)) return found;
      assert(Date.now() < end, `run ${run} did not come so far: ${JSON.stringify(found)}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}

export class Browser {
  async start() {
    this.browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  }

  // A page of which all that goes wrong is noted: errors, words on the console, requests to elsewhere.
  async page(server, options = {}) {
    const context = await this.browser.newContext({ viewport: DESK, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.wrong = [];
    page.on("pageerror", (error) => page.wrong.push(`error: ${error.stack}`));
    page.on("console", (message) => {
      // What the browser says of answers like 409 or of a server that is away is what a test provokes.
      const isNetwork = message.text().startsWith("Failed to load resource");
      if (["error", "warning"].includes(message.type()) && !isNetwork) page.wrong.push(`console: ${message.text()}`);
    });
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol.startsWith("http") && origin !== server.url) page.wrong.push(`asked elsewhere: ${request.url()}`);
    });
    page.see = (place) => page.goto(`${server.url}/#/${place}`);
    page.shot = (name) => page.screenshot({ path: join(SHOTS, `${name}.png`) });
    page.end = async () => {
      await context.close();
      equal(page.wrong, [], "what went wrong in the page");
    };
    return page;
  }

  stop() {
    return this.browser.close();
  }
}

// What `work` makes of the page: how long it took; how long 95 of 100 frames took at most, and the longest; the longest
// task that kept the page from answering, and how much of the time all such tasks took; and how many nodes there were at
// most. A task counts from 50 ms on.
export async function frames(page, work) {
  await page.evaluate(() => {
    const seen = { gaps: [], tasks: [], nodes: 0, last: performance.now(), on: true };
    window.seenFrames = seen;
    seen.observer = new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((entry) => entry.duration)));
    seen.observer.observe({ type: "longtask" });
    const frame = (now) => {
      seen.gaps.push(now - seen.last);
      seen.last = now;
      seen.nodes = Math.max(seen.nodes, document.getElementsByTagName("*").length);
      if (seen.on) requestAnimationFrame(frame);
    };
    requestAnimationFrame((now) => ((seen.last = now), requestAnimationFrame(frame)));
  });
  const begin = performance.now();
  await work();
  const took = performance.now() - begin;
  const { gaps, tasks, nodes } = await page.evaluate(() => {
    const seen = window.seenFrames;
    seen.on = false;
    seen.tasks.push(...seen.observer.takeRecords().map((entry) => entry.duration));
    seen.observer.disconnect();
    return { gaps: seen.gaps, tasks: seen.tasks, nodes: seen.nodes };
  });
  gaps.sort((a, b) => a - b);
  const at = (part) => Math.round(gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * part))] ?? 0);
  const busy = tasks.reduce((sum, task) => sum + task, 0) / took;
  return { took: Math.round(took), usual: at(0.95), longest: at(1), frames: gaps.length, task: Math.round(Math.max(0, ...tasks)), busy, nodes };
}
