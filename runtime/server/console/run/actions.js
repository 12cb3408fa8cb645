// What can be done to a run as a whole.
import { api } from "../api.js";
import { announce, html, useState } from "../ui.js";
import { Dialog, Trouble } from "../parts/small.js";

const isOver = (run) => ["completed", "failed", "cancelled"].includes(run.status);

const ALL = [
  { id: "suspend", offered: (run) => !isOver(run) && run.status !== "suspended", reason: true, does: (run, { reason }) => api.suspend(run.id, reason), told: "Nothing new begins until it is resumed. What is under way ends as it ends." },
  { id: "resume", offered: (run) => run.status === "suspended", does: (run) => api.resume(run.id), told: "It goes on where it was." },
  { id: "retry", offered: (run) => run.status === "failed", does: (run) => api.retry(run.id), told: "The step that failed is tried again; what was recorded is not done twice." },
  { id: "signal", offered: (run) => !isOver(run), signal: true, does: (run, { name, data }) => api.signal(run.id, name, data), told: "It is kept until a step takes it." },
  { id: "cancel", offered: (run) => !isOver(run), reason: true, danger: true, does: (run, { reason }) => api.cancel(run.id, reason), told: "It ends here. What it did is undone where the workflow says how." },
];

function Ask({ action, run, close, changed }) {
  const [reason, setReason] = useState("");
  const [name, setName] = useState(run.waiting?.for === "signal" ? run.waiting.name : "");
  const [text, setText] = useState("");
  const [trouble, setTrouble] = useState();
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    let data = null;
    try {
      if (text.trim()) data = JSON.parse(text);
      setWrong("");
    } catch (error) {
      return setWrong(`this is no JSON: ${error.message}`);
    }
    setBusy(true);
    try {
      await action.does(run, { reason: reason.trim() || undefined, name: name.trim(), data });
      announce(`${action.id}: done`);
      changed();
      close();
    } catch (error) {
      setTrouble(error);
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${`${action.id} ${run.workflow}`} close=${close}>
      <form onSubmit=${send}>
        <p>${action.told}</p>
        ${action.signal && html`
          <div class="field"><label for="signal-name">name</label><input id="signal-name" required value=${name} onInput=${(event) => setName(event.target.value)} /></div>
          <div class=${wrong ? "field is-wrong" : "field"}><label for="signal-data">data, JSON <span class="faint">optional</span></label>
            <textarea id="signal-data" class="code" rows="4" spellcheck="false" value=${text} onInput=${(event) => setText(event.target.value)}></textarea>
            ${wrong && html`<p class="error">${wrong}</p>`}</div>`}
        ${action.reason && html`<div class="field"><label for="why">reason <span class="faint">optional</span></label><input id="why" value=${reason} onInput=${(event) => setReason(event.target.value)} /></div>`}
        <${Trouble} error=${trouble} />
        <div class="actions"><button class=${action.danger ? "refuse" : "primary"} disabled=${busy}>${action.id}</button><button type="button" onClick=${close}>leave it</button></div>
      </form>
    </${Dialog}>`;
}

export function Actions({ run, changed }) {
  const [asked, setAsked] = useState();
  const offered = ALL.filter((action) => action.offered(run));
  return html`
    <div class="run-actions push" role="group" aria-label="what can be done">
      ${offered.map((action) => html`<button type="button" class=${action.danger ? "small refuse" : "small"} onClick=${() => setAsked(action)}>${action.id}</button>`)}
    </div>
    ${asked && html`<${Ask} action=${asked} run=${run} close=${() => setAsked(undefined)} changed=${changed} />`}`;
}
