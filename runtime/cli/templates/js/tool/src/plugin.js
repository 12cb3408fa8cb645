// What the component exports. The effect class says what pawl may do after a crash: `pure`,
// `idempotent` or `at-most-once`.

import { tools } from "./pawl/tool.js";
import { greet } from "./{{module}}.js";

export const toolGuest = tools({
  greet: {
    summary: "Greets someone.",
    effect: "pure",
    input: {
      type: "object",
      properties: { name: { type: "string", description: "Who is greeted." } },
      required: ["name"],
      additionalProperties: false,
    },
    output: {
      type: "object",
      properties: { text: { type: "string" } },
      required: ["text"],
      additionalProperties: false,
    },
    run: greet,
  },
});
