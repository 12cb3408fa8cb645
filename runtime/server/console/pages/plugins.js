// Plugins: what they import, what they are granted, how they did of late.
import { api } from "../api.js";
import { html, useLoaded } from "../ui.js";
import { duration, money } from "../format.js";
import { address } from "../router.js";
import { Empty, Facts, Title, Trouble } from "../parts/small.js";
import { Value } from "../parts/value.js";

const toolsOf = (plugin) => plugin.tools ?? plugin.description?.tools ?? [];
const agentOf = (plugin) => plugin.description?.agent;
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function Schemas({ takes, gives }) {
  return html`
    ${takes && html`<h4>takes</h4><${Value} value=${takes} label="input schema" />`}
    ${gives && html`<h4>gives</h4><${Value} value=${gives} label="output schema" />`}`;
}

function Tool({ tool }) {
  return html`
    <details class="tool"><summary><strong>${tool.name}</strong> <span class="tag">${tool.effect ?? ""}</span> <span class="faint">${tool.summary ?? ""}</span></summary>
      <${Schemas} takes=${tool.input_schema} gives=${tool.output_schema} />
    </details>`;
}

// How it stands for each thing that a route may look for.
function Standing({ standing }) {
  if (!standing?.length) return html`<p class="faint">Nothing is known yet: no route has used it.</p>`;
  return html`
    <div class="scroll"><table class="table">
      <thead><tr><th>for</th><th class="right">health</th><th class="right">latency</th><th class="right">cost</th><th class="right">priority</th></tr></thead>
      <tbody>${standing.map((one) => html`
        <tr><td>${one.capability ?? one.tool ?? one.name}${one.left_out ? html` <span class="tag">${one.left_out}</span>` : ""}</td>
          <td class="right">${one.health_permille / 10} %</td><td class="right">${duration(one.latency_ms)}</td>
          <td class="right">${Number.isFinite(one.cost) ? money(one.cost) : one.cost ? text(one.cost) : ""}</td><td class="right">${one.priority ?? ""}</td></tr>`)}</tbody>
    </table></div>`;
}

const ACCEPTANCE = {
  trusted: "Nobody is asked: it ships with pawl, or is an MCP server of pawl.yaml.",
  accepted: "All that it asks for was accepted.",
  first: "It was never used: the first run that uses it accepts what it asks for.",
  held: "It is held until somebody accepts it: pawl plugin accept.",
};
const bound = (most) => {
  if (most == null) return "what the step grants";
  const all = Array.isArray(most) ? most.map(text) : Object.entries(most).map(([name, how]) => `${name} ${text(how)}`);
  return all.length ? all.join(", ") : "nothing";
};

// What it asks for, the most that the operator lets steps grant it, and what was accepted.
function Grants({ grants }) {
  if (!grants) return null;
  const { asks, most, accepted, acceptance, more } = grants;
  const was = (need) => (acceptance === "trusted" ? "" : accepted?.needs.includes(need) ? "yes" : "no");
  return html`
    <p class="faint">${ACCEPTANCE[acceptance] ?? acceptance}</p>
    ${more.length > 0 && html`<${List} items=${more} />`}
    ${asks.needs.length
      ? html`<div class="scroll"><table class="table">
          <thead><tr><th>asks for</th><th>may have at most</th><th>accepted</th></tr></thead>
          <tbody>${asks.needs.map((need) => html`<tr><td><code>${need}</code></td><td>${bound(most[need])}</td><td>${was(need)}</td></tr>`)}</tbody>
        </table></div>`
      : html`<p class="faint">It asks for nothing.</p>`}`;
}

const List = ({ items, none }) =>
  items?.length ? html`<ul class="plain-list">${items.map((one) => html`<li><code>${text(one)}</code></li>`)}</ul>` : html`<p class="faint">${none}</p>`;

function One({ name }) {
  const { data, error, again } = useLoaded((signal) => api.plugin(name, signal), [name]);
  if (error) return html`<${Trouble} error=${error} again=${again} />`;
  if (!data) return html`<${Empty}>loading</${Empty}>`;
  const tools = toolsOf(data);
  const agent = agentOf(data);
  return html`
    <article class="card">
      <header class="page-head"><h2>${name}</h2><a class="push" aria-label="close" href=${address(["plugins"])}>✕</a></header>
      <${Facts} rows=${[
        data.kind && ["kind", data.kind],
        data.version && ["version", data.version],
        ["from", data.origin],
        ["signed", data.signed ? "yes" : "no"],
        data.digest && ["digest", html`<code title=${data.digest}>${data.digest.slice(0, 12)}</code>`],
        agent?.capabilities?.length && ["offers", agent.capabilities.join(", ")],
      ]} />
      ${agent?.summary && html`<p>${agent.summary}</p>`}
      <h3>Imports</h3><${List} items=${data.imports} none="It imports nothing: it computes." />
      <h3>Grants</h3><${Grants} grants=${data.grants} />
      <h3>Health and latency</h3><${Standing} standing=${data.standing} />
      ${tools.length > 0 && html`<h3>Tools</h3>${tools.map((tool) => html`<${Tool} tool=${tool} />`)}`}
      ${agent && html`<details><summary>what the agent takes and gives</summary><${Schemas} takes=${agent.input_schema} gives=${agent.output_schema} /></details>`}
    </article>`;
}

export function Plugins({ chosen }) {
  const { data, error, again } = useLoaded((signal) => api.plugins(signal), []);
  const items = data?.items ?? [];
  return html`
    <div class="page">
      <header class="page-head"><${Title} text="Plugins" />${data && html`<span class="faint">${items.length}</span>`}</header>
      <${Trouble} error=${error} again=${again} />
      ${data && !items.length && html`<${Empty}>No plugin is available.</${Empty}>`}
      <div class=${chosen ? "two" : ""}>
        ${items.length > 0 && html`
          <div class="scroll"><table class="table">
            <thead><tr><th>plugin</th><th>from</th><th>component</th><th>signed</th></tr></thead>
            <tbody>${items.map((one) => html`
              <tr class=${one.name === chosen ? "is-chosen" : ""}><td><a href=${address(["plugins", one.name])} aria-current=${one.name === chosen ? "true" : undefined}>${one.name}</a></td>
                <td>${one.origin ?? ""}</td><td><code>${one.digest?.slice(0, 12) ?? ""}</code></td><td>${one.signed ? "yes" : "no"}</td></tr>`)}</tbody>
          </table></div>`}
        ${chosen && html`<${One} key=${chosen} name=${chosen} />`}
      </div>
    </div>`;
}
