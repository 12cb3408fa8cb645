// What the component exports. Each call of the host is recorded: when the machine goes down, or the
// answer takes a week, this code runs from the top, is given the recorded answers at once, and goes on
// behind the last one.

import { agent } from "./pawl/agent.js";
import * as human from "./pawl/human.js";
import * as log from "./pawl/log.js";
import * as tools from "./pawl/tools.js";
import { title } from "./{{module}}.js";

export const agentGuest = agent({
  summary: "Asks a person whether an order is refunded.",
  input: {
    type: "object",
    properties: { order: { type: "string", description: "The order's id." } },
    required: ["order"],
    additionalProperties: false,
  },
  output: {
    type: "object",
    properties: { refund: { type: "boolean" }, by: { type: "string", description: "Who decided." } },
    required: ["refund", "by"],
    additionalProperties: false,
  },
  run({ order }) {
    const { item, amount } = tools.call("orders.lookup", { id: order });
    const answer = human.ask({ title: title({ item, amount }), subject: { item, amount } });
    log.info(`${answer.by} says ${answer.action}`);
    return { refund: answer.approved, by: answer.by };
  },
});
