// Tools that the step may use. Needs `permissions.tools`, and the import in wit/world.wit.

import host from "pawl:plugin/tools@0.1.0";
import { ask, fromHost } from "./failure.js";

/** Calls one tool, `orders.lookup`, and gives its result; throws its `Failure`. */
export const call = (name, input) => JSON.parse(ask(() => host.call(name, JSON.stringify(input))));

/** Calls several, `[["orders.lookup", { id }], …]`; gives `{ ok }` or `{ failure }` for each, in order. */
export function callAll(calls) {
  const asked = calls.map(([name, input]) => ({ name, arguments: JSON.stringify(input) }));
  return ask(() => host.callAll(asked)).map(({ tag, val }) =>
    tag === "ok" ? { ok: JSON.parse(val) } : { failure: fromHost(val) },
  );
}

/** The tools that were granted: name, summary, inputSchema, outputSchema, effect. */
export const list = () =>
  host.list().map((tool) => ({
    ...tool,
    inputSchema: JSON.parse(tool.inputSchema),
    outputSchema: JSON.parse(tool.outputSchema),
  }));
