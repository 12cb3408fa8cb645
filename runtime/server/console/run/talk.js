// What agents said and were told: each call of a model with its answer, each call of a tool with its result.
import { html, useState } from "../ui.js";
import { count, duration, failure, line } from "../format.js";
import { Empty } from "../parts/small.js";
import { Glyph } from "../parts/status.js";
import { Value } from "../parts/value.js";

// Calls that are drawn at once of one attempt; the rest is a click away.
const CALLS_SHOWN = 60;

const QUIET = new Set(["tool-list", "memory-get", "memory-put"]);

export const agents = (story) =>
  [...story.visits.values()].filter((held) => held.kind === "agent" || held.attempts.some((attempt) => attempt.calls.length));

const messages = (call) => call.request?.request?.messages ?? [];

function Said({ who, children, kind }) {
  return html`<div class=${`said-by said-${kind}`}><span class="said-who">${who}</span><div class="said-what">${children}</div></div>`;
}

const Text = ({ text }) => html`<p class="text">${text}</p>`;

function Model({ call, seen }) {
  // The conversation so far was shown with the calls before: what is new in it is what the agent added.
  const fresh = messages(call).slice(seen).filter((message) => message.role === "system" || message.role === "user");
  const answer = call.response?.message ?? {};
  const usage = call.response?.usage ?? {};
  // Most calls are recorded when they are answered, so when they began is not known.
  const took = call.ended === undefined ? "under way" : call.ended > call.started && duration(call.ended - call.started);
  const about = [call.request?.profile, call.response?.model !== call.request?.profile && call.response?.model, usage.input_tokens !== undefined && `${count(usage.input_tokens)} in, ${count(usage.output_tokens)} out`, took];
  return html`
    ${fresh.map((message) => html`<${Said} kind=${message.role} who=${message.role === "system" ? "instructions" : "task"}><${Text} text=${message.text ?? ""} /></${Said}>`)}
    <${Said} kind="model" who="model">
      ${answer.text && html`<${Text} text=${answer.text} />`}
      ${(answer.tool_calls ?? []).map((tool) => html`<p class="asks"><span class="tag">asks for</span> ${tool.name} <code>${line(tool.arguments, 140)}</code></p>`)}
      ${call.failure && html`<p class="error">${failure(call.failure)}</p>`}
      ${call.ended === undefined && html`<p class="faint">no answer yet</p>`}
      <p class="faint small">${about.filter(Boolean).join(" · ")}</p>
    </${Said}>`;
}

const HEADS = {
  tool: (call) => [call.request.name, call.request.arguments],
  agent: (call) => [`agent ${call.request.name}`, call.request.task],
  human: (call) => [`asks a person: ${call.request.title ?? ""}`, call.request.subject ?? undefined],
};

function Other({ call }) {
  const [head, input] = HEADS[call.kind]?.(call) ?? [call.text, undefined];
  const status = call.failure ? "failed" : call.ended === undefined ? "waiting" : "completed";
  if (call.kind === "log") return html`<${Said} kind="log" who=${call.request.level}><${Text} text=${call.request.message} /></${Said}>`;
  return html`
    <${Said} kind="call" who=${call.kind === "human" ? "person" : call.kind}>
      <details>
        <summary><${Glyph} status=${status} /> ${head} ${input !== undefined && html`<code>${line(input, 90)}</code>`}
          <span class="faint"> ${call.failure ? failure(call.failure) : line(call.response ?? "", 90)}</span></summary>
        ${input !== undefined && html`<h4>given</h4><${Value} value=${input} label="given" />`}
        ${call.response !== undefined && html`<h4>got</h4><${Value} value=${call.response} label="got" />`}
      </details>
    </${Said}>`;
}

function Calls({ attempt, quiet }) {
  const [all, setAll] = useState(false);
  const calls = attempt.calls.filter((call) => quiet || !QUIET.has(call.kind));
  const shown = all ? calls : calls.slice(-CALLS_SHOWN);
  let seen = 0;
  const before = new Map();
  for (const call of calls) {
    if (call.kind !== "model") continue;
    before.set(call.number, seen);
    seen = messages(call).length;
  }
  return html`
    ${shown.length < calls.length && html`<button type="button" class="small" onClick=${() => setAll(true)}>show the ${calls.length - shown.length} calls before</button>`}
    ${shown.map((call) => (call.kind === "model" ? html`<${Model} key=${call.number} call=${call} seen=${before.get(call.number)} />` : html`<${Other} key=${call.number} call=${call} />`))}`;
}

// What a model says right now; its answer, once it is recorded, stands in its place.
const Now = ({ said }) =>
  said && html`<${Said} kind="model" who="model"><${Text} text=${said.text} /><p class="faint small">says so right now</p></${Said}>`;

export function Talk({ story, talks }) {
  const [quiet, setQuiet] = useState(false);
  if (!talks.length) return html`<${Empty}>No agent has said anything in this run.</${Empty}>`;
  return html`
    <div class="talk">
      <label class="check"><input type="checkbox" checked=${quiet} onChange=${(event) => setQuiet(event.target.checked)} /> with memory and lists of tools</label>
      ${talks.map((held) => html`
        <section class="talk-one" key=${held.id}>
          <h2><${Glyph} status=${held.status} /> ${held.name} <span class="faint">${held.work}</span></h2>
          ${held.attempts.map((attempt) => html`
            ${held.attempts.length > 1 && html`<h3>attempt ${attempt.number}</h3>`}
            <${Calls} attempt=${attempt} quiet=${quiet} />
            ${attempt === held.attempts.at(-1) && html`<${Now} said=${story.said.get(held.id)} />`}
            ${attempt.failure && html`<p class="error">${failure(attempt.failure)}</p>`}`)}
          ${held.output !== undefined && html`<${Said} kind="result" who="result"><${Value} value=${held.output} label="result" /></${Said}>`}
        </section>`)}
    </div>`;
}
