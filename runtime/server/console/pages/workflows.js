// The workflows that the server keeps, and a run of one that it does not.
import { api, isMissing } from "../api.js";
import { html, useLoaded, useState } from "../ui.js";
import { address, go } from "../router.js";
import { Empty, Title, Trouble } from "../parts/small.js";
import { Start } from "../parts/start.js";

const nameOf = (one) => one.name ?? one.workflow;
const versionOf = (active) => (typeof active === "string" ? active : active?.version);

// A workflow's text: it is checked first, which gives the form of its inputs.
function FromSource({ changed }) {
  const [source, setSource] = useState("");
  const [checked, setChecked] = useState();
  const [trouble, setTrouble] = useState();
  const [kept, setKept] = useState("");
  const read = async (event) => {
    const [file] = event.target.files;
    if (file) (setSource(await file.text()), setChecked(undefined));
  };
  const check = async () => {
    setTrouble(undefined);
    try {
      setChecked(await api.check(source));
    } catch (error) {
      // Without a check there is no schema: the inputs are written as JSON.
      if (isMissing(error)) setChecked({});
      else setTrouble(error);
    }
  };
  const register = async () => {
    setTrouble(undefined);
    try {
      const found = await api.register(source);
      changed();
      setKept(`kept as ${nameOf(found) ?? "a workflow"} ${found.version ?? ""}`);
    } catch (error) {
      setTrouble(error);
    }
  };
  const problems = trouble?.errors;
  return html`
    <section class="card">
      <h2>From a file</h2>
      <div class="field"><label for="file">choose a file, or paste the text below</label><input id="file" type="file" accept=".yaml,.yml" onChange=${read} /></div>
      <div class="field"><label for="source">workflow</label>
        <textarea id="source" class="code" rows="10" spellcheck="false" value=${source} onInput=${(event) => (setSource(event.target.value), setChecked(undefined))}></textarea></div>
      <${Trouble} error=${trouble} />
      ${Array.isArray(problems) && html`<ul class="problems">${problems.map((one) => html`<li>${one.line ? html`<code>${one.line}:${one.column ?? 1}</code> ` : ""}${typeof one === "string" ? one : (one.message ?? JSON.stringify(one))}${one.help ? html` <span class="faint">${one.help}</span>` : ""}</li>`)}</ul>`}
      <div class="actions">
        <button type="button" class="primary" disabled=${!source.trim()} onClick=${check}>check</button>
        <button type="button" disabled=${!source.trim()} onClick=${register}>keep it here</button>
        ${kept && html`<span role="status">${kept}</span>`}
      </div>
      ${checked && html`<h3>Start it</h3><${Start} schema=${checked.inputs_schema ?? checked.inputs ?? checked.schema} body=${{ source }} started=${(run) => go(["runs", run.id])} />`}
    </section>`;
}

export function Workflows() {
  const { data, error, again } = useLoaded((signal) => api.workflows({ limit: 500 }, signal), []);
  const items = data?.items ?? [];
  return html`
    <div class="page">
      <header class="page-head"><${Title} text="Workflows" /></header>
      ${error && !isMissing(error) && html`<${Trouble} error=${error} again=${again} />`}
      ${data && !items.length && html`<${Empty}>None is kept here yet. Check one below and keep it, or start it once.</${Empty}>`}
      ${items.length > 0 && html`
        <div class="scroll"><table class="table">
          <thead><tr><th>workflow</th><th>active</th><th>latest</th><th>versions</th></tr></thead>
          <tbody>${items.map((one) => html`
            <tr><td><a href=${address(["workflows", nameOf(one)])}>${nameOf(one)}</a></td><td>${versionOf(one.active) ?? "none"}</td><td>${one.latest ?? ""}</td>
              <td>${Array.isArray(one.versions) ? one.versions.length : (one.versions ?? "")}</td></tr>`)}</tbody>
        </table></div>`}
      <${FromSource} changed=${again} />
    </div>`;
}
