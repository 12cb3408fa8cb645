// What waits for a person: what is asked, what would be executed, and the form to answer it.
import { api } from "../api.js";
import { announce, html, useLoaded, useState } from "../ui.js";
import { instant, plural } from "../format.js";
import { address } from "../router.js";
import { Form, focusFirst, hasField } from "./form.js";
import { check, inferred, initial, placed } from "./schema.js";
import { Ago, Facts, Id, Trouble } from "./small.js";
import { Value } from "./value.js";

const REFUSING = new Set(["reject", "end", "deny", "no", "cancel", "failed"]);
const people = (names) => (names?.length ? names.join(", ") : "anyone");
const without = (object, name) => {
  const { [name]: _, ...rest } = object ?? {};
  return rest;
};

// A guarded call offers its arguments in the form: they are changed only where somebody means to.
function parts(open) {
  const edits = open.form?.properties?.arguments && open.subject && typeof open.subject === "object" && "arguments" in open.subject;
  if (!edits) return { form: open.form, edited: undefined };
  const { arguments: written, ...properties } = open.form.properties;
  const edited = written.properties ? written : { ...inferred(open.subject.arguments), description: written.description };
  return { form: { ...open.form, properties }, edited };
}

function Terms({ open, within }) {
  const due = open.due && html`<${Ago} at=${open.due} />${open.on_timeout ? html`, then <em>${open.on_timeout}</em>` : ""}`;
  const { escalation } = open;
  return html`<${Facts} rows=${[
    !within && ["run", html`<a href=${address(["runs", open.run])}>${open.workflow}</a> <${Id} id=${open.run} />`],
    ["step", open.step],
    ["for", people(open.to)],
    open.not_by?.length && ["not by", open.not_by.join(", ")],
    open.quorum > 1 && ["needs", `${open.quorum} people; ${plural(open.decisions?.length ?? 0, "answer")} so far`],
    ["asked", html`<${Ago} at=${open.created_at} />`],
    due && ["due", due],
    escalation?.next && ["escalates", html`<${Ago} at=${escalation.next} />`],
    escalation?.to?.length && ["escalated to", escalation.to.join(", ")],
    open.claimed_by && ["held by", `${open.claimed_by}${open.claimed_until ? ` until ${instant(open.claimed_until)}` : ""}`],
    ["digest", html`<code title=${open.digest}>${open.digest?.slice(0, 12)}</code>`],
  ]} />`;
}

function Said({ open }) {
  const decisions = open.decisions ?? [];
  const delegations = open.delegations ?? [];
  if (!decisions.length && !delegations.length) return null;
  return html`
    <ul class="said">
      ${decisions.map((vote) => html`<li><strong>${vote.by}</strong> chose <em>${vote.action}</em>${vote.comment ? `: ${vote.comment}` : ""} <span class="faint"><${Ago} at=${vote.at} /></span></li>`)}
      ${delegations.map((one) => html`<li><strong>${one.by}</strong> asked ${one.to.join(", ")} <span class="faint"><${Ago} at=${one.at} /></span></li>`)}
    </ul>`;
}

// Holding it, passing it on, saying something: where the server has it.
function Handling({ open, act, busy }) {
  const [what, setWhat] = useState("");
  const [text, setText] = useState("");
  if (open.claimed_by === undefined) return null;
  const send = async (event) => {
    event.preventDefault();
    const to = text.split(/[\s,]+/).filter(Boolean);
    const done = await act(what, () => (what === "delegate" ? api.delegate(open.id, to) : api.comment(open.id, text)));
    if (done) (setWhat(""), setText(""));
  };
  return html`
    <div class="handling">
      ${open.claimed_by
        ? html`<button type="button" class="small" disabled=${busy} onClick=${() => act("release", () => api.release(open.id))}>release</button>`
        : html`<button type="button" class="small" disabled=${busy} onClick=${() => act("claim", () => api.claim(open.id))}>claim</button>`}
      <button type="button" class="small" aria-expanded=${what === "delegate"} onClick=${() => setWhat(what === "delegate" ? "" : "delegate")}>delegate</button>
      <button type="button" class="small" aria-expanded=${what === "comment"} onClick=${() => setWhat(what === "comment" ? "" : "comment")}>comment${open.comments ? ` (${open.comments})` : ""}</button>
      ${what && html`
        <form class="inline" onSubmit=${send}>
          <input aria-label=${what === "delegate" ? "to whom, such as user:ann or group:finance" : "comment"} required autofocus
            placeholder=${what === "delegate" ? "user:ann, group:finance" : "what there is to say"} value=${text} onInput=${(event) => setText(event.target.value)} />
          <button class="small" disabled=${busy}>send</button>
        </form>`}
    </div>`;
}

// `done` is called when it was answered; `changed` when it is as before, but for what was said of it. `within` the page
// of its run, it is drawn in two columns.
export function Approval({ open, done, changed = () => {}, within = false }) {
  const { form, edited } = parts(open);
  const hasForm = form && Object.keys(form.properties ?? (typeof form === "object" ? form : {})).length > 0;
  const [data, setData] = useState(() => (form && initial(form)) ?? {});
  const [args, setArgs] = useState(open.subject?.arguments);
  const [editing, setEditing] = useState(false);
  const [reason, setReason] = useState("");
  const [errors, setErrors] = useState({});
  const [reasonError, setReasonError] = useState("");
  const [trouble, setTrouble] = useState();
  const [busy, setBusy] = useState(false);
  const id = `answer-${open.id}`;

  const act = async (name, work) => {
    setBusy(true);
    setTrouble(undefined);
    try {
      const result = await work();
      announce(`${name}: done`);
      changed(result);
      return true;
    } catch (error) {
      setTrouble(error);
      return false;
    } finally {
      setBusy(false);
    }
  };

  // What was wrong is looked at again as it is mended.
  const fill = (next) => {
    setData(next);
    if (Object.keys(errors).length) setErrors(check(form, next));
  };

  const refuse = (found) => {
    setErrors(found);
    focusFirst(id, found);
    announce(`not sent: ${plural(Object.keys(found).length, "field is", "fields are")} not right yet`);
  };

  const decide = async (action) => {
    // Who refuses need not fill in what is for who agrees, unless the server says so.
    const found = REFUSING.has(action) ? check({ ...form, required: [] }, data) : form ? check(form, data) : {};
    const changedArgs = editing && JSON.stringify(args) !== JSON.stringify(open.subject.arguments);
    if (changedArgs) check(edited, args, edited, "/arguments", found);
    setReasonError("");
    if ((open.reason ?? []).includes(action) && !reason.trim()) {
      setReasonError(`say why: '${action}' needs a reason`);
      setErrors(found);
      document.getElementById(`${id}-reason`)?.focus();
      return;
    }
    if (Object.keys(found).length) return refuse(found);
    setErrors({});
    setBusy(true);
    setTrouble(undefined);
    const full = changedArgs ? { ...data, arguments: args } : without(data, edited ? "arguments" : "");
    const body = { action, ...(reason.trim() && { comment: reason.trim() }), ...((hasForm || changedArgs) && { data: full }) };
    try {
      const answer = await api.decide(open.id, body);
      announce(`answered: ${action}`);
      done(action, answer);
    } catch (error) {
      const split = placed(error, (pointer) => hasField(open.form, pointer));
      if (Object.keys(split.errors).length) refuse(split.errors);
      if (split.rest.length || !Object.keys(split.errors).length) setTrouble(error);
      setBusy(false);
    }
  };

  const label = (action) => open.labels?.[action] ?? action;
  return html`
    <section class=${within ? "approval is-within" : "approval"} aria-labelledby=${`${id}-title`}>
      <h2 id=${`${id}-title`}>${open.title}</h2>
      <${Terms} open=${open} within=${within} />
      <${Said} open=${open} />
      ${open.subject !== null && open.subject !== undefined && html`
        <div class="subject"><h3>What an answer allows</h3><${Value} value=${open.subject} label="what an answer allows" /></div>`}
      <form onSubmit=${(event) => event.preventDefault()} noValidate>
        ${hasForm && html`<${Form} schema=${form} value=${data} change=${fill} errors=${errors} form=${id} />`}
        ${edited && html`
          <div class="edits">
            <button type="button" class="small" aria-expanded=${editing} onClick=${() => setEditing(!editing)}>${editing ? "keep the arguments as they are" : "change the arguments"}</button>
            ${editing && html`<${Form} schema=${{ type: "object", required: ["arguments"], properties: { arguments: edited } }} value=${{ arguments: args }} change=${(next) => (setArgs(next.arguments), setErrors({}))} errors=${errors} form=${id} />`}
          </div>`}
        <div class=${reasonError ? "field is-wrong" : "field"}>
          <label for=${`${id}-reason`}>reason <span class="faint">${open.reason?.length ? `needed to choose ${open.reason.map(label).join(", ")}` : "optional"}</span></label>
          <textarea id=${`${id}-reason`} rows="1" class="one-line" value=${reason} aria-invalid=${reasonError ? "true" : undefined}
            aria-describedby=${reasonError ? `${id}-reason-error` : undefined} onInput=${(event) => setReason(event.target.value)}></textarea>
          ${reasonError && html`<p class="error" id=${`${id}-reason-error`}>${reasonError}</p>`}
        </div>
        <${Trouble} error=${trouble} />
        <div class="actions" role="group" aria-label="answer">
          ${open.actions.map((action, at) => html`
            <button type="button" class=${REFUSING.has(action) ? "refuse" : at === 0 ? "primary" : ""} disabled=${busy} onClick=${() => decide(action)}>${label(action)}</button>`)}
        </div>
      </form>
      <${Handling} open=${open} act=${act} busy=${busy} />
    </section>`;
}

// The same, loaded by its id.
export function LoadedApproval({ id, done, within = false, keys = [] }) {
  const { data, error, again } = useLoaded((signal) => api.approval(id, signal), [id, ...keys]);
  if (error?.status === 404) return html`<p class="empty">This was answered, or is not open any more.</p>`;
  if (error && !data) return html`<${Trouble} error=${error} again=${again} />`;
  if (!data) return html`<p class="empty">loading</p>`;
  return html`<${Approval} key=${data.id} open=${data} done=${done} changed=${again} within=${within} />`;
}
