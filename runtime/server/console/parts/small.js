// Small things that many pages use.
import { announce, html, useEffect, useNow, useRef } from "../ui.js";
import { instant, relative, shortId } from "../format.js";

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    announce("copied");
  } catch {
    announce("the browser does not allow copying");
  }
}

export function Ago({ at, every = 1000 }) {
  const now = useNow(every);
  return at ? html`<time dateTime=${at} title=${instant(at)}>${relative(at, now)}</time>` : null;
}

export const Id = ({ id }) => html`
  <button type="button" class="id" title=${`copy ${id}`} aria-label=${`copy the id ${id}`} onClick=${() => copy(id)}>${shortId(id)}</button>`;

// What went wrong, and what can be done.
export function Trouble({ error, again }) {
  if (!error) return null;
  const missing = error.status === 404 && error.code === "no-such-path";
  const told = missing ? "this server does not offer it" : error.message;
  return html`
    <div class="trouble" role="alert">
      <strong>${error.title || "It did not work"}</strong>
      <span>${told}</span>
      ${error.code && !missing && html`<a class="small" href=${`/problems/${error.code}`} target="_blank" rel="noopener">${error.code}</a>`}
      ${again && html`<button type="button" class="small" onClick=${again}>try again</button>`}
    </div>`;
}

export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

// The title of a page: it takes the focus when the page is come to, so that a keyboard and a reader start there.
export function Title({ children, text }) {
  const node = useRef(null);
  useEffect(() => {
    document.title = `${text} · pawl`;
    node.current?.focus({ preventScroll: true });
  }, [text]);
  return html`<h1 tabIndex="-1" ref=${node}>${children ?? text}</h1>`;
}

// Tabs, with the arrow keys as people expect them.
export function Tabs({ tabs, chosen, choose, label }) {
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = tabs.findIndex(([id]) => id === chosen);
    const next = tabs[(at + step + tabs.length) % tabs.length][0];
    choose(next);
    event.currentTarget.querySelector(`[data-tab="${next}"]`)?.focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label=${label} onKeyDown=${move}>
      ${tabs.map(([id, text, number]) => html`
        <button type="button" role="tab" id=${`tab-${id}`} data-tab=${id} aria-selected=${id === chosen ? "true" : "false"} aria-controls=${`panel-${id}`}
          tabIndex=${id === chosen ? 0 : -1} onClick=${() => choose(id)}>${text}${number ? html` <span class="number">${number}</span>` : ""}</button>`)}
    </div>`;
}

export const Facts = ({ rows }) => html`
  <dl class="facts">${rows.filter(Boolean).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

// The same as a table: many short values, one below the other.
export const Pairs = ({ rows }) => html`<dl class="pairs">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;

// A window over the page, which the browser makes modal: Escape closes it, and the focus stays in it.
export function Dialog({ title, close, children }) {
  const node = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    node.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`
    <dialog ref=${node} aria-label=${title} onClose=${close} onCancel=${close}>
      <header><h2>${title}</h2><button type="button" class="plain" aria-label="close" onClick=${close}>✕</button></header>
      ${children}
    </dialog>`;
}
