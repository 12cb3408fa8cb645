// An agent: ordinary straight-line code that survives crashes. Everything it asks of the host is
// recorded; after a crash or a pause it runs from the top, is given the recorded answers at once, and
// goes on behind the last one.

import { answer } from "./runtime.js";

/**
 * @typedef {object} Task
 * @property {string} run
 * @property {string} step
 * @property {number} attempt from 1
 */

/** What an agent returns so that another one goes on. */
export class Handoff {
  constructor(agent, input) {
    this.agent = agent;
    this.input = input;
  }
}

/**
 * Makes a component of an agent: `export const agentGuest = agent({ … })`.
 * @param {object} description
 * @param {string} description.summary one line for people
 * @param {string[]} [description.capabilities] what it can do, for routes
 * @param {object} description.input JSON Schema of the step's `with`
 * @param {object} description.output JSON Schema of the result
 * @param {(input: any, task: Task) => unknown} description.run gives the result or throws a `Failure`
 */
export function agent({ summary, capabilities = [], input, output, run }) {
  return {
    describe: () => ({
      summary,
      capabilities,
      inputSchema: JSON.stringify(input),
      outputSchema: JSON.stringify(output),
    }),
    run: (task) => {
      let handoff;
      const val = answer(() => {
        const result = run(JSON.parse(task.input), task);
        if (!(result instanceof Handoff)) return result;
        handoff = result.agent;
        return result.input;
      });
      return handoff === undefined ? { tag: "completed", val } : { tag: "handoff", val: { agent: handoff, input: val } };
    },
  };
}
