// The form that starts a run.
import { api } from "../api.js";
import { announce, html, useRef, useState } from "../ui.js";
import { plural } from "../format.js";
import { Form, focusFirst, hasField } from "./form.js";
import { check, initial, placed } from "./schema.js";
import { Trouble } from "./small.js";

// `body` says what is started; `started` gets the run.
export function Start({ schema, body, started }) {
  const known = schema && Object.keys(schema).length > 0;
  const form = known ? schema : {};
  const [inputs, setInputs] = useState(() => (known ? (initial(schema) ?? {}) : undefined));
  const [errors, setErrors] = useState({});
  const [trouble, setTrouble] = useState();
  const [busy, setBusy] = useState(false);
  // One key for one meaning: pressed twice, or sent again after a break, it is one run.
  const key = useRef(crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`);
  const raw = useRef(null);

  // What was wrong is looked at again as it is mended.
  const fill = (next) => {
    setInputs(next);
    if (Object.keys(errors).length) setErrors(check(schema, next));
  };

  const send = async (event) => {
    event.preventDefault();
    setTrouble(undefined);
    let given = inputs ?? {};
    if (!known) {
      try {
        given = raw.current.value.trim() ? JSON.parse(raw.current.value) : {};
      } catch (error) {
        return setErrors({ "": `this is no JSON: ${error.message}` });
      }
    }
    const found = known ? check(schema, given) : {};
    setErrors(found);
    if (Object.keys(found).length) {
      focusFirst("start", found);
      announce(`not started: ${plural(Object.keys(found).length, "field is", "fields are")} not right yet`);
      return;
    }
    setBusy(true);
    try {
      const run = await api.start({ ...body, inputs: given }, key.current);
      announce("the run is started");
      started(run);
    } catch (error) {
      const split = placed(error, (pointer) => known && hasField(schema, pointer));
      setErrors(split.errors);
      if (Object.keys(split.errors).length) focusFirst("start", split.errors);
      if (split.rest.length || !Object.keys(split.errors).length) setTrouble(error);
      // Another body needs another key.
      key.current = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    } finally {
      setBusy(false);
    }
  };
  return html`
    <form class="start" onSubmit=${send} noValidate aria-label="start a run">
      ${known
        ? html`<${Form} schema=${form} value=${inputs} change=${fill} errors=${errors} form="start" />${Object.keys(schema.properties ?? {}).length === 0 && html`<p class="faint">It has no inputs.</p>`}`
        : html`<div class=${errors[""] ? "field is-wrong" : "field"}><label for="raw-inputs">inputs, JSON</label><textarea id="raw-inputs" class="code" rows="5" spellcheck="false" ref=${raw}></textarea>${errors[""] && html`<p class="error">${errors[""]}</p>`}</div>`}
      <${Trouble} error=${trouble} />
      <div class="actions"><button class="primary" disabled=${busy}>start</button></div>
    </form>`;
}
