// One workflow: its versions, what it looks like, and the form that starts it.
import { api } from "../api.js";
import { announce, html, useLoaded, useState } from "../ui.js";
import { instant } from "../format.js";
import { address, go, refine, useRoute } from "../router.js";
import { Empty, Title, Trouble } from "../parts/small.js";
import { Start } from "../parts/start.js";
import { Value } from "../parts/value.js";
import { Graph } from "../run/graph.js";

const active = (workflow) => (typeof workflow.active === "string" ? workflow.active : workflow.active?.version);

function Versions({ workflow, chosen, activate, busy }) {
  const versions = Array.isArray(workflow.versions) ? workflow.versions : [];
  const now = active(workflow);
  return html`
    <div class="scroll"><table class="table">
      <caption class="unseen">versions</caption>
      <thead><tr><th>version</th><th>definition</th><th>kept</th><th>by</th><th></th></tr></thead>
      <tbody>${versions.map((one) => html`
        <tr class=${one.version === chosen ? "is-chosen" : ""}>
          <td><button type="button" class="plain link-like" aria-pressed=${one.version === chosen ? "true" : "false"} onClick=${() => refine({ version: one.version })}>${one.version}</button>${one.version === now ? html` <span class="tag is-active">active</span>` : ""}</td>
          <td><code>${String(one.definition ?? one.digest ?? "").slice(0, 12)}</code></td>
          <td>${instant(one.at ?? one.registered_at ?? one.created_at)}</td>
          <td>${one.by?.name ?? one.by ?? ""}</td>
          <td>${one.version !== now && html`<button type="button" class="small" disabled=${busy} onClick=${() => activate(one.version)}>activate</button>`}</td>
        </tr>`)}</tbody>
    </table></div>`;
}

export function Workflow({ name }) {
  const { query } = useRoute();
  const loaded = useLoaded((signal) => api.workflow(name, signal), [name]);
  const workflow = loaded.data;
  const versions = Array.isArray(workflow?.versions) ? workflow.versions : [];
  const chosen = query.get("version") ?? (workflow && (active(workflow) ?? versions[versions.length - 1]?.version));
  const version = useLoaded((signal) => (chosen ? api.version(name, chosen, signal) : Promise.resolve(undefined)), [name, chosen]);
  const [trouble, setTrouble] = useState();
  const [busy, setBusy] = useState(false);

  const activate = async (next) => {
    setBusy(true);
    setTrouble(undefined);
    try {
      await api.activate(name, next, workflow.etag ?? workflow.active?.etag ?? quoted(workflow.active?.definition ?? workflow.active?.digest));
      announce(`${next} is active`);
      loaded.again();
    } catch (error) {
      setTrouble(error);
    } finally {
      setBusy(false);
    }
  };
  const found = version.data;
  const schema = found?.inputs_schema ?? found?.inputs ?? found?.schema;
  return html`
    <div class="page">
      <header class="page-head"><a class="back" href=${address(["workflows"])}>‹ workflows</a><${Title} text=${name} />
        <a class="push" href=${address(["runs"], { workflow: name })}>its runs</a></header>
      <${Trouble} error=${loaded.error ?? trouble} again=${loaded.again} />
      ${workflow && html`<${Versions} workflow=${workflow} chosen=${chosen} activate=${activate} busy=${busy} />`}
      ${workflow && !chosen && html`<${Empty}>It has no version.</${Empty}>`}
      <${Trouble} error=${version.error} />
      ${found && html`
        <div class="two">
          <section class="card"><h2>Start ${chosen}</h2>
            <${Start} key=${chosen} schema=${schema ?? { type: "object", properties: {} }} body=${{ workflow: name, version: chosen }} started=${(run) => go(["runs", run.id])} /></section>
          <section class="card"><h2>Graph</h2>${found.graph ? html`<${Graph} graph=${found.graph} />` : html`<${Empty}>The server draws none.</${Empty}>`}</section>
        </div>
        ${found.source && html`<section class="card"><h2>Source</h2><${Value} value=${found.source} label="source" code=${true} /></section>`}`}
    </div>`;
}

const quoted = (digest) => (digest ? `"${digest}"` : undefined);
