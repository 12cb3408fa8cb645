// `drafts`: writes a draft, round by round.

import { invalidInput } from "./pawl/failure.js";
import { tools } from "./pawl/tool.js";

export const toolGuest = tools({
  write: {
    summary: "Writes the next draft, with regard to feedback.",
    effect: "pure",
    input: {
      type: "object",
      properties: {
        topic: { type: "string" },
        round: { type: "integer", minimum: 0 },
        feedback: { type: ["string", "null"] },
      },
      required: ["topic", "round"],
      additionalProperties: false,
    },
    output: {
      type: "object",
      properties: { text: { type: "string" }, round: { type: "integer" } },
      required: ["text", "round"],
      additionalProperties: false,
    },
    run({ topic, round, feedback }) {
      if (round === 0) throw invalidInput("rounds are counted from 1");
      const said = (feedback ?? "").trim().replace(/\.+$/, "");
      return { text: `Draft ${round} about ${topic}${said === "" ? "" : `, revised: ${said}`}.`, round };
    },
  },
});
