// A JSON value, for reading.
import { html, useState } from "../ui.js";
import { copy } from "./small.js";

// What is drawn at once; the rest is a click away.
const TEXT_MAX_CHARS = 6000;

// The text in pieces, each with what it is. Values are data: they end up as text, whatever stands in them.
function pieces(text) {
  const found = [];
  const pattern = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b/g;
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > from) found.push(text.slice(from, match.index));
    const kind = match[1] ? (match[2] ? "key" : "text") : "word";
    found.push(html`<span class=${`json-${kind}`}>${match[1] ?? match[0]}</span>`);
    if (match[2]) found.push(match[2]);
    from = match.index + match[0].length;
  }
  found.push(text.slice(from));
  return found;
}

// `code` is a text whose columns matter.
export function Value({ value, label = "value", code = false }) {
  const [whole, setWhole] = useState(false);
  if (value === undefined) return html`<p class="faint">none</p>`;
  const isText = typeof value === "string";
  const text = isText ? value : JSON.stringify(value, null, 2);
  const cut = !whole && text.length > TEXT_MAX_CHARS;
  const seen = cut ? text.slice(0, TEXT_MAX_CHARS) : text;
  return html`
    <div class="value">
      <pre tabIndex="0" aria-label=${label} class=${code ? "is-code" : isText ? "is-text" : ""}>${isText ? seen : pieces(seen)}${cut ? "…" : ""}</pre>
      <div class="value-tools">
        ${cut && html`<button type="button" class="plain small" onClick=${() => setWhole(true)}>show all ${text.length} characters</button>`}
        <button type="button" class="plain small" onClick=${() => copy(text)}>copy</button>
      </div>
    </div>`;
}
