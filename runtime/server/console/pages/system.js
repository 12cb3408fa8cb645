// What the server says of itself: its store, its queues, its limits.
import { api } from "../api.js";
import { html, useEffect, useLoaded } from "../ui.js";
import { bytes, count, duration } from "../format.js";
import { Pairs, Title, Trouble } from "../parts/small.js";

const EVERY_MS = 5000;

const title = (name) => name.replaceAll("_", " ").replace(/ (ms|bytes|percent)$/, "");

function shown(name, value) {
  if (value === null || value === undefined) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return Array.isArray(value) ? value.map((one) => (typeof one === "object" ? JSON.stringify(one) : one)).join(", ") : String(value);
  if (/bytes$/.test(name)) return bytes(value);
  if (/_ms$/.test(name)) return duration(value);
  if (/(seconds|uptime)/.test(name)) return duration(value * 1000);
  return count(value);
}

function Section({ name, value }) {
  const entries = Object.entries(value);
  const plain = entries.filter(([, inner]) => inner === null || typeof inner !== "object" || Array.isArray(inner));
  const nested = entries.filter(([, inner]) => inner !== null && typeof inner === "object" && !Array.isArray(inner));
  return html`
    <section class="card">${name && html`<h2>${title(name)}</h2>`}
      ${plain.length > 0 && html`<${Pairs} rows=${plain.map(([key, inner]) => [title(key), shown(key, inner)])} />`}
      ${nested.map(([key, inner]) => html`<h3>${title(key)}</h3><${Pairs} rows=${Object.entries(inner).map(([at, one]) => [title(at), one !== null && typeof one === "object" ? JSON.stringify(one) : shown(at, one)])} />`)}
    </section>`;
}

export function System() {
  const { data, error, again } = useLoaded((signal) => api.system(signal), []);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || again(), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const plain = Object.entries(data ?? {}).filter(([, value]) => value === null || typeof value !== "object");
  const parts = Object.entries(data ?? {}).filter(([, value]) => value !== null && typeof value === "object" && !Array.isArray(value));
  const lists = Object.entries(data ?? {}).filter(([, value]) => Array.isArray(value));
  return html`
    <div class="page">
      <header class="page-head"><${Title} text="System" />
        <span class="push"><a href="/docs">API</a> · <a href="/openapi.json">OpenAPI</a> · <a href="/metrics">metrics</a></span></header>
      <${Trouble} error=${error} again=${again} />
      ${data && html`<div class="cards">
        ${plain.length > 0 && html`<${Section} name="server" value=${Object.fromEntries(plain)} />`}
        ${parts.map(([name, value]) => html`<${Section} name=${name} value=${value} />`)}
        ${lists.map(([name, value]) => html`<section class="card"><h2>${title(name)}</h2><${Pairs} rows=${value.map((one, at) => [one.name ? title(one.name) : at + 1, one.value !== undefined ? shown(one.name ?? "", one.value) : typeof one === "object" ? JSON.stringify(one) : one])} /></section>`)}
      </div>`}
    </div>`;
}
