// `flaky`: fails as often as it is asked to, then answers.

import { transient } from "./pawl/failure.js";
import { tools } from "./pawl/tool.js";

export const toolGuest = tools({
  fetch: {
    summary: "Fails a given number of times, then answers.",
    effect: "pure",
    input: {
      type: "object",
      properties: { key: { type: "string" }, fail_times: { type: "integer", minimum: 0 } },
      required: ["key", "fail_times"],
      additionalProperties: false,
    },
    output: {
      type: "object",
      properties: { key: { type: "string" }, attempt: { type: "integer" } },
      required: ["key", "attempt"],
      additionalProperties: false,
    },
    run({ key, fail_times }, { attempt }) {
      if (attempt <= fail_times) throw transient(`attempt ${attempt} fails, as the first ${fail_times} do`);
      return { key, attempt };
    },
  },
  // What no port needs, and the tests of the SDK do.
  crash: {
    summary: "Has a bug.",
    effect: "pure",
    input: { type: "object" },
    output: {},
    run: () => null.length,
  },
  chance: {
    summary: "Tells what time and chance are.",
    effect: "pure",
    input: { type: "object" },
    output: {},
    run: () => ({ now: Date.now(), later: new Date().getTime(), chance: [Math.random(), Math.random()] }),
  },
});
