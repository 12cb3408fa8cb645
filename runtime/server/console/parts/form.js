// A form made of a JSON Schema. It holds nothing itself: `value` is what was filled in, `change` gets the next one.
import { html, useRef, useState } from "../ui.js";
import { isRequired, resolve, typeOf } from "./schema.js";

const TEXT_AREA_FROM_CHARS = 120;
const KINDS = { email: "email", uri: "url", date: "date" };

const key = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1");
const idOf = (form, pointer) => `${form}${pointer.replaceAll("/", "-").replaceAll("~", "_")}`;
const title = (name) => name.replaceAll("_", " ");

// The part of the page that one field is: its name, what it is for, what is wrong with it.
function Frame({ id, name, schema, required, error, children }) {
  return html`
    <div class=${error ? "field is-wrong" : "field"}>
      <label for=${id}>${schema.title ?? title(name)}${!required && html` <span class="faint">optional</span>`}</label>
      ${schema.description && html`<p class="hint" id=${`${id}-hint`}>${schema.description}</p>`}
      ${children}
      ${error && html`<p class="error" id=${`${id}-error`}>${error}</p>`}
    </div>`;
}

function told(id, schema, error) {
  const ids = [schema.description && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return { id, "aria-invalid": error ? "true" : undefined, "aria-describedby": ids || undefined };
}

function Text({ schema, value, change, told }) {
  const set = (event) => change(event.target.value === "" ? undefined : event.target.value);
  const long = schema.maxLength > TEXT_AREA_FROM_CHARS || schema.contentMediaType || (value ?? "").length > TEXT_AREA_FROM_CHARS || /\n/.test(value ?? "");
  const area = schema.format === undefined && (long || schema.maxLength === undefined);
  if (area) return html`<textarea ...${told} rows=${long ? 4 : 1} class=${long ? "" : "one-line"} value=${value ?? ""} onInput=${set}></textarea>`;
  return html`<input ...${told} type=${KINDS[schema.format] ?? "text"} value=${value ?? ""} onInput=${set} />`;
}

// What is no number stays as it was written, so that it can be said what is wrong with it.
function Numeric({ schema, value, change, told }) {
  const set = (event) => {
    const text = event.target.value.trim();
    const number = Number(text.replace(",", "."));
    change(text === "" ? undefined : Number.isNaN(number) ? text : number);
  };
  const [shown, setShown] = useState(value === undefined ? "" : String(value));
  const same = shown.trim() === "" ? value === undefined : Number(shown.replace(",", ".")) === value || shown === value;
  return html`<input ...${told} type="text" inputMode=${typeOf(schema) === "integer" ? "numeric" : "decimal"} class="number-input"
    value=${same ? shown : String(value ?? "")} onInput=${(event) => (setShown(event.target.value), set(event))} />`;
}

function Choice({ schema, value, change, told, required }) {
  const options = schema.enum ?? [schema.const];
  const at = options.findIndex((one) => JSON.stringify(one) === JSON.stringify(value));
  const set = (event) => change(event.target.value === "" ? undefined : options[Number(event.target.value)]);
  return html`
    <select ...${told} value=${at < 0 ? "" : String(at)} onChange=${set}>
      ${(!required || at < 0) && html`<option value="">${required ? "choose" : "none"}</option>`}
      ${options.map((one, number) => html`<option value=${String(number)}>${typeof one === "string" ? one : JSON.stringify(one)}</option>`)}
    </select>`;
}

function Flag({ value, change, told }) {
  const set = (event) => change(event.target.value === "" ? undefined : event.target.value === "yes");
  const at = value === undefined ? "" : value ? "yes" : "no";
  return html`
    <select ...${told} class="short" value=${at} onChange=${set}>
      <option value="">not said</option><option value="yes">yes</option><option value="no">no</option>
    </select>`;
}

// Anything else, as JSON. What cannot be read yet is kept as it was written.
function Raw({ value, change, told }) {
  const [text, setText] = useState(value === undefined ? "" : JSON.stringify(value, null, 2));
  const [wrong, setWrong] = useState("");
  const set = (event) => {
    setText(event.target.value);
    try {
      change(event.target.value.trim() === "" ? undefined : JSON.parse(event.target.value));
      setWrong("");
    } catch (error) {
      setWrong(`this is no JSON: ${error.message}`);
      change(event.target.value);
    }
  };
  return html`<textarea ...${told} rows="4" class="code" spellcheck="false" value=${text} onInput=${set}></textarea>
    ${wrong && html`<p class="error">${wrong}</p>`}`;
}

function List({ schema, root, value = [], change, pointer, errors, form, label }) {
  const items = Array.isArray(value) ? value : [];
  const box = useRef(null);
  const put = (next) => change(next.length ? next : undefined);
  const add = () => {
    put([...items, undefined]);
    setTimeout(() => box.current?.querySelector(".item:last-of-type :is(input, textarea, select)")?.focus());
  };
  return html`
    <div class="list" ref=${box} role="group" aria-label=${label}>
      ${items.map((item, at) => html`
        <div class="item" key=${at}>
          <${Field} name=${`${at + 1}`} schema=${schema.items ?? {}} root=${root} value=${item} required=${true} pointer=${`${pointer}/${at}`}
            errors=${errors} form=${form} change=${(next) => put(items.map((old, index) => (index === at ? next : old)))} />
          <button type="button" class="plain" aria-label=${`remove ${at + 1}`} onClick=${() => put(items.filter((_, index) => index !== at))}>✕</button>
        </div>`)}
      <button type="button" class="small" onClick=${add}>add one</button>
    </div>`;
}

const WIDGETS = { string: Text, number: Numeric, integer: Numeric, boolean: Flag, enum: Choice };

function Field({ name, schema: written, root, value, change, required, pointer, errors, form }) {
  const schema = resolve(written, root);
  const type = typeOf(schema);
  const id = idOf(form, pointer);
  const error = errors[pointer];
  if (type === "object" && schema.properties) {
    return html`
      <fieldset id=${id} class=${error ? "is-wrong" : ""}>
        <legend>${schema.title ?? title(name)}${!required && html` <span class="faint">optional</span>`}</legend>
        ${schema.description && html`<p class="hint">${schema.description}</p>`}
        <${Fields} schema=${schema} root=${root} value=${value} change=${change} pointer=${pointer} errors=${errors} form=${form} />
        ${error && html`<p class="error">${error}</p>`}
      </fieldset>`;
  }
  const common = { schema, root, value, change, required, told: told(id, schema, error) };
  const widget = type === "array" && schema.items
    ? html`<${List} ...${common} pointer=${pointer} errors=${errors} form=${form} label=${schema.title ?? title(name)} />`
    : html`<${WIDGETS[type] ?? Raw} ...${common} />`;
  return html`<${Frame} id=${id} name=${name} schema=${schema} required=${required} error=${error}>${widget}</${Frame}>`;
}

function Fields({ schema, root, value, change, pointer, errors, form }) {
  const set = (name, next) => {
    const { [name]: _, ...others } = value ?? {};
    const all = next === undefined ? others : { ...others, [name]: next };
    change(Object.keys(all).length || pointer === "" ? all : undefined);
  };
  // What must be filled in stands first.
  const names = Object.keys(schema.properties ?? {});
  const order = [...names.filter((name) => isRequired(schema, name)), ...names.filter((name) => !isRequired(schema, name))];
  return order.map((name) => html`
    <${Field} key=${name} name=${name} schema=${schema.properties[name]} root=${root} value=${value?.[name]} required=${isRequired(schema, name)}
      pointer=${`${pointer}/${key(name)}`} errors=${errors} form=${form} change=${(next) => set(name, next)} />`);
}

// `form` tells its ids from those of other forms.
export function Form({ schema, value, change, errors = {}, form }) {
  const root = schema ?? {};
  if (!root.properties && typeOf(root) !== "object" && Object.keys(root).length) {
    return html`<${Field} name="value" schema=${root} root=${root} value=${value} change=${change} required=${true} pointer="" errors=${errors} form=${form} />`;
  }
  return html`<div class="fields"><${Fields} schema=${root} root=${root} value=${value} change=${change} pointer="" errors=${errors} form=${form} />
    ${errors[""] && html`<p class="error">${errors[""]}</p>`}</div>`;
}

// Puts the cursor into the first field that is wrong.
export function focusFirst(form, errors) {
  setTimeout(() => {
    const wrong = Object.keys(errors).map((pointer) => document.getElementById(idOf(form, pointer))).filter(Boolean);
    wrong.sort((a, b) => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
    wrong[0]?.focus();
  });
}

// Whether a pointer names a field of a schema.
export function hasField(schema, pointer) {
  let here = schema ?? {};
  for (const part of pointer.split("/").slice(1)) {
    here = resolve(here, schema);
    here = here.properties?.[part.replaceAll("~1", "/").replaceAll("~0", "~")] ?? (/^\d+$/.test(part) ? here.items : undefined);
    if (!here) return false;
  }
  return true;
}
