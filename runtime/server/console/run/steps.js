// The steps that a run came to, and one of them in full.
import { html, useNow } from "../ui.js";
import { count, duration, failure, instant, line, money, plural } from "../format.js";
import { address } from "../router.js";
import { Facts } from "../parts/small.js";
import { Glyph, Status } from "../parts/status.js";
import { Value } from "../parts/value.js";
import { Window } from "../parts/window.js";

function noteOf(held) {
  const last = held.waits[held.waits.length - 1];
  if (held.ended === undefined && last && last.to === undefined) return `waits for ${last.text}`;
  return held.note;
}

function Row({ held, now, chosen, choose }) {
  const pick = () => choose(held.id);
  const took = (held.ended ?? now) - held.started;
  return html`
    <button type="button" class="row step-row" role="listitem" aria-current=${chosen ? "true" : undefined} onClick=${pick} data-step=${held.name} data-status=${held.status}>
      <${Glyph} status=${held.status} /><span class="unseen">${held.status}</span>
      <span class="step-name">${held.name}</span>
      <span class="step-work">${[held.kind, held.work].filter(Boolean).join(" ")}${held.attempts.length > 1 ? html` <span class="tag">${held.attempts.length} attempts</span>` : ""}</span>
      <span class="step-note" title=${noteOf(held)}>${line(noteOf(held), 120)}</span>
      <span class="step-took">${held.status === "skipped" ? "" : duration(took)}</span>
    </button>`;
}

export function Steps({ story, chosen, choose }) {
  const now = useNow(1000);
  const visits = [...story.visits.values()];
  return html`<${Window} items=${visits} stick=${true} label="steps" class="rows-steps" row=${(held) => html`<${Row} key=${held.id} held=${held} now=${now} chosen=${held.id === chosen} choose=${choose} />`} />`;
}

function Attempt({ attempt }) {
  const took = attempt.ended === undefined ? "under way" : duration(attempt.ended - attempt.started);
  return html`
    <li class=${`attempt is-${attempt.status}`}>
      <div><${Glyph} status=${attempt.status} /> attempt ${attempt.number} <span class="faint">${instant(attempt.started)} · ${took}</span></div>
      ${attempt.failure && html`<p class="error">${failure(attempt.failure)}</p>`}
      ${attempt.handed && html`<p>handed over to ${attempt.handed}</p>`}
      ${attempt.logs.length > 0 && html`<ul class="logs">${attempt.logs.map((entry) => html`<li class=${`log-${entry.level}`}><span class="tag">${entry.level}</span> ${entry.message}</li>`)}</ul>`}
    </li>`;
}

function Route({ route }) {
  return html`
    <section><h3>Route</h3><p>${route.chosen}${route.tool ? `.${route.tool}` : ""}: ${route.reason}</p>
      <div class="scroll"><table class="table"><thead><tr><th>candidate</th><th class="right">health</th><th class="right">latency</th><th>left out</th></tr></thead>
      <tbody>${(route.candidates ?? []).map((one) => html`
        <tr><td>${one.name}</td><td class="right">${one.health_permille / 10} %</td><td class="right">${duration(one.latency_ms)}</td><td>${one.left_out ?? ""}</td></tr>`)}</tbody></table></div>
    </section>`;
}

export function Visit({ run, story, visit: held, close }) {
  const now = useNow(1000);
  const approvals = [...story.approvals.values()].filter((one) => one.visit === held.id);
  const calls = held.attempts.reduce((sum, attempt) => sum + attempt.calls.length, 0);
  return html`
    <aside class="side card" aria-label=${`step ${held.name}`}>
      <header><h2>${held.name}</h2><${Status} status=${held.status} /><button type="button" class="plain push" aria-label="close" onClick=${close}>✕</button></header>
      ${held.note && html`<p class=${held.status === "failed" ? "error" : ""}>${held.note}</p>`}
      <${Facts} rows=${[
        ["does", [held.kind, held.work].filter(Boolean).join(" ") || "…"],
        ["started", instant(held.started)],
        ["took", duration((held.ended ?? now) - held.started)],
        calls > 0 && ["calls", html`<a href=${address(["runs", run], { tab: "agents" })}>${plural(calls, "call")}</a>`],
        held.spent.tokens > 0 && ["tokens", count(held.spent.tokens)],
        held.spent.money > 0 && ["cost", money(held.spent.money)],
        held.child && ["run", html`<a href=${address(["runs", held.child])}>the run that it started</a>`],
        held.because && ["because", line(held.because)],
      ]} />
      ${held.waits.length > 0 && html`<section><h3>Waits</h3><ul class="waits-list">${held.waits.map((one) => html`<li>${one.kind}: ${line(one.text, 120)} <span class="faint">${duration((one.to ?? now) - one.from)}${one.to === undefined ? " so far" : ""}</span></li>`)}</ul></section>`}
      ${approvals.map((one) => html`
        <section><h3>Asked</h3><p>${one.question.title}</p>
          ${one.decided && html`<p><em>${one.decided.action}</em> by ${one.decided.by.name}, ${one.decided.by.via}${one.decided.comment ? `: ${one.decided.comment}` : ""}</p>`}</section>`)}
      ${held.route && html`<${Route} route=${held.route} />`}
      ${held.attempts.length > 0 && html`<section><h3>Attempts</h3><ul class="attempts">${held.attempts.map((attempt) => html`<${Attempt} attempt=${attempt} />`)}</ul></section>`}
      ${held.input !== undefined && html`<section><h3>Input</h3><${Value} value=${held.input} label="input" /></section>`}
      ${held.output !== undefined && html`<section><h3>Output</h3><${Value} value=${held.output} label="output" /></section>`}
      ${held.failure?.details && html`<section><h3>Details</h3><${Value} value=${held.failure.details} label="details" /></section>`}
    </aside>`;
}
