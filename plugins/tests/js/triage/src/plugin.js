// `triage`: finds out what a support ticket is about, by rules that can be read below.

import { agent } from "./pawl/agent.js";
import { permanent } from "./pawl/failure.js";
import * as log from "./pawl/log.js";

const TOPICS = [
  ["refund", ["refund", "money back", "return", "reimburse", "broken", "damaged", "defective"]],
  ["delivery", ["deliver", "arrive", "shipping", "shipped", "parcel", "package", "tracking", "late"]],
];
const ABOUT = { refund: "a refund for order", delivery: "the delivery of order", other: "order" };
const URGENT = ["urgent", "immediately", "asap", "at once", "lawyer", "third time", "!!"];

export const agentGuest = agent({
  summary: "Finds the order, topic and urgency of a support ticket.",
  capabilities: ["classify"],
  input: {
    type: "object",
    properties: { ticket: { type: "string" } },
    required: ["ticket"],
    additionalProperties: false,
  },
  output: {
    type: "object",
    properties: {
      order: { type: "string" },
      topic: { enum: ["refund", "delivery", "other"] },
      urgency: { enum: ["high", "normal"] },
      summary: { type: "string" },
    },
    required: ["order", "topic", "urgency", "summary"],
    additionalProperties: false,
  },
  run({ ticket }) {
    const order = ticket.split(/[^A-Za-z0-9-]/).find((word) => /^[A-Z]-\d{4,}$/.test(word));
    if (!order) throw permanent("the ticket names no order; ask the customer for an id such as A-1001");
    const text = ticket.toLowerCase();
    const hasAny = (words) => words.some((word) => text.includes(word));
    const topic = TOPICS.find(([, words]) => hasAny(words))?.[0] ?? "other";
    const urgency = hasAny(URGENT) ? "high" : "normal";
    const summary = `${urgency === "high" ? "Urgent: " : ""}the customer writes about ${ABOUT[topic]} ${order}.`;
    log.info(summary);
    return { order, topic, urgency, summary };
  },
});
