// `planner`: plans a customer's refunds, has a person approve the exact plan, and pays them.

import { agent } from "./pawl/agent.js";
import * as human from "./pawl/human.js";
import * as log from "./pawl/log.js";
import * as memory from "./pawl/memory.js";
import * as timers from "./pawl/timers.js";
import * as tools from "./pawl/tools.js";

const FORM = {
  type: "object",
  properties: { note: { type: ["string", "null"], description: "A remark for the record." } },
  additionalProperties: false,
};

const strings = { type: "array", items: { type: "string" } };

export const agentGuest = agent({
  summary: "Refunds what a customer ordered and never got, once a person approves.",
  capabilities: ["plan"],
  input: {
    type: "object",
    properties: { customer: { type: "string" }, cool_down_ms: { type: ["integer", "null"], minimum: 0 } },
    required: ["customer"],
    additionalProperties: false,
  },
  output: {
    type: "object",
    properties: {
      refunded: strings,
      receipts: strings,
      decision: { type: "string" },
      by: { type: ["string", "null"] },
    },
    required: ["refunded", "receipts", "decision", "by"],
    additionalProperties: false,
  },
  run({ customer, cool_down_ms }) {
    const orders = tools.call("orders.list", { customer }).orders.map((id) => tools.call("orders.lookup", { id }));
    const open = orders.filter((order) => !order.delivered);
    const refunds = open.map(({ id, amount }) => ({ order: id, amount }));
    const plan = { customer, refunds };
    if (refunds.length === 0) {
      log.info(`${customer} has nothing to refund`);
      return { refunded: [], receipts: [], decision: "none", by: null };
    }
    memory.put("plan", plan);

    const answer = human.ask({ title: title(plan), subject: plan, form: FORM });
    if (answer.data.note) log.info(`${answer.by} notes: ${answer.data.note}`);
    const report = { refunded: [], receipts: [], decision: answer.action, by: answer.by };
    if (answer.approved) {
      if (typeof cool_down_ms === "number") timers.sleep(cool_down_ms);
      for (const refund of refunds) {
        const { receipt } = tools.call("payments.refund", refund);
        log.info(`refunded ${refund.amount} for order ${refund.order}: ${receipt}`);
        report.refunded.push(refund.order);
        report.receipts.push(receipt);
      }
    }
    memory.put("report", report);
    return report;
  },
});

function title({ customer, refunds }) {
  const sum = refunds.reduce((sum, { amount }) => sum + amount, 0);
  return `Refund ${sum.toFixed(2)} EUR to ${customer} for ${refunds.map(({ order }) => order).join(", ")}?`;
}
