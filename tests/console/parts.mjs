// Parts that draw nothing, tried in the browser that they are for.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, equal } from "./lib.mjs";
import { shipped } from "./flows.mjs";

const blank = async ({ server, browser }) => {
  const page = await browser.page(server);
  await page.goto(`${server.url}/console/icon.svg`);
  return page;
};

export async function events_are_read_wherever_they_are_cut(context) {
  const page = await blank(context);
  const found = await page.evaluate(async () => {
    const { read } = await import("/console/sse.js");
    const text = ": hello\r\n\r\nevent: change\nid: 7\ndata: {\"a\":\"é\",\ndata: \"b\":[1]}\n\ndata: plain\n\nid: 8\n\n";
    const bytes = new TextEncoder().encode(text);
    const outcomes = new Set();
    for (let at = 0; at <= bytes.length; at += 1) {
      const body = new ReadableStream({
        start: (to) => (to.enqueue(bytes.slice(0, at)), to.enqueue(bytes.slice(at)), to.close()),
      });
      const events = [];
      for await (const event of read(body, () => {})) events.push(event);
      outcomes.add(JSON.stringify(events));
    }
    return [...outcomes];
  });
  const wanted = [{ name: "change", id: "7", data: { a: "é", b: [1] } }, { name: "message", data: "plain" }];
  equal(found.map((text) => JSON.parse(text)), [wanted], "what was read at each cut");
  await page.end();
}

export async function values_are_checked_as_their_schema_says(context) {
  const page = await blank(context);
  const cases = [
    [{ type: "string", minLength: 2 }, "a", { "": "needs at least 2 characters" }],
    [{ type: "integer", minimum: 1, maximum: 3 }, 4, { "": "must be at most 3" }],
    [{ type: "integer" }, 1.5, { "": "must be a whole number" }],
    [{ type: ["string", "null"] }, null, {}],
    [{ enum: ["a", 1] }, "b", { "": 'must be one of "a", 1' }],
    [{ type: "number", multipleOf: 0.1 }, 0.3, {}],
    [{ type: "array", items: { type: "number" }, minItems: 1 }, [1, "x"], { "/1": "must be a number" }],
    [{ type: "object", required: ["a/b"], properties: { "a/b": {} } }, {}, { "/a~1b": "is required" }],
    [{ properties: { a: { $ref: "#/$defs/n" } }, $defs: { n: { type: "number", exclusiveMinimum: 0 } } }, { a: 0 }, { "/a": "must be more than 0" }],
    [{ type: "string", format: "date" }, "tomorrow", { "": "must be a date such as 2026-11-30" }],
  ];
  const found = await page.evaluate(async (all) => {
    const { check } = await import("/console/parts/schema.js");
    return all.map(([schema, value]) => check(schema, value));
  }, cases);
  cases.forEach(([schema, value, wanted], at) => equal(found[at], wanted, `${JSON.stringify(value)} by ${JSON.stringify(schema)}`));
  await page.end();
}

const TOLD = ["map", "saga", "catch", "parallel", "loop", "switch", "subrun", "handoff", "graph", "vars", "retry", "research", "guarded", "budget", "wait", "route"];

// What is shown of a run is folded twice, here and in the command line. Both must tell the same.
export async function a_run_is_told_as_pawl_show_tells_it(context) {
  const { server } = context;
  const page = await blank(context);
  let steps = 0;
  for (const name of TOLD) {
    const inputs = JSON.parse(readFileSync(join(process.env.ROOT, "workflows/inputs", `${name}.json`), "utf8"));
    const run = await server.begin(shipped(name).replaceAll("./parts/", "./workflows/parts/"), inputs);
    // Over, or waiting for what does not come by itself while it is looked at.
    const soon = (until) => until && Date.parse(until) < Date.now() + 60_000;
    const comes = ({ waiting }) => waiting?.for === "run" || (waiting?.for === "timer" && soon(waiting.until));
    await server.until(run.id, (found) => !["pending", "running"].includes(found.status) && !comes(found));
    const shown = JSON.parse(execFileSync(process.env.SHOW ?? process.env.PAWL, ["show", run.id, "--json", "--data", server.data], { stdio: ["ignore", "pipe", "ignore"] }));
    const journal = await server.call("GET", `/v1/runs/${run.id}/journal?limit=500`);
    const told = await page.evaluate(async (events) => {
      const { newStory, tell } = await import("/console/run/story.js");
      const story = newStory();
      for (const event of events) {
        tell(story, event);
        // What comes twice is told once.
        if (tell(story, event)) throw new Error(`event ${event.seq} was told twice`);
      }
      return [...story.visits.values()].map((held) => [held.name, held.status, held.attempts.length]);
    }, journal.items);
    equal(told, shown.steps.map((step) => [step.step, step.status, step.attempts]), `the steps of ${name}`);
    steps += told.length;
  }
  assert(steps > 40, `${steps} steps were compared`);
  await page.end();
}
