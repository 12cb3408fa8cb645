// A tool: a leaf that does one thing; its result is recorded as a whole.

import { answer } from "./runtime.js";

/**
 * @typedef {object} Context where and why a call happens
 * @property {string} idempotencyKey the same for every try of this call: hand it to what you call
 * @property {string} run
 * @property {string} step
 * @property {number} attempt from 1
 * @property {number | null} deadlineMs milliseconds since 1970 after which nobody waits any more
 */

/**
 * @typedef {object} Tool
 * @property {string} summary one line for people
 * @property {"pure" | "idempotent" | "at-most-once"} effect what pawl may do after a crash: call it
 *   again, call it again with the same key, or ask a person
 * @property {object} input JSON Schema of the arguments
 * @property {object} output JSON Schema of the result
 * @property {(input: any, context: Context) => unknown} run gives the result or throws a `Failure`
 */

/**
 * Makes a component of tools: `export const toolGuest = tools({ greet: { … } })`.
 * @param {Record<string, Tool>} all by name
 */
export function tools(all) {
  return {
    describe: () =>
      Object.entries(all).map(([name, tool]) => ({
        name,
        summary: tool.summary,
        effect: tool.effect,
        inputSchema: JSON.stringify(tool.input),
        outputSchema: JSON.stringify(tool.output),
      })),
    call: (context, name, input) => answer(() => all[name].run(JSON.parse(input), context)),
  };
}
