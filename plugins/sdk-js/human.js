// People. Needs `permissions.human`, and the import in wit/world.wit.

import host from "pawl:plugin/human@0.1.0";
import { ask as request } from "./failure.js";

/**
 * Asks, and waits as long as it takes: the agent costs nothing meanwhile.
 * @param {object} question
 * @param {string} question.title
 * @param {string[]} [question.to] users and groups, `user:ann`; without it anyone
 * @param {string[]} [question.actions] what they can choose; without it `approve` and `reject`
 * @param {object} [question.form] JSON Schema, or short: `{ note: "string" }`
 * @param {unknown} [question.subject] what the answer allows, shown and hashed with the question
 * @param {number} [question.dueMs] how long to wait, in milliseconds
 * @param {string} [question.onTimeout] the action taken then
 * @returns {{ action: string, data: any, by: string, approved: boolean }}
 */
export function ask({ title, to = [], actions = [], form, subject, dueMs, onTimeout }) {
  const json = (value) => (value === undefined ? null : JSON.stringify(value));
  const question = {
    title,
    to,
    actions,
    form: json(form),
    subject: json(subject),
    dueMs: dueMs ?? null,
    onTimeout: onTimeout ?? null,
  };
  const answer = request(() => host.ask(question));
  return { ...answer, data: JSON.parse(answer.data), approved: answer.action === "approve" };
}
