// What is around every page: where one can go, whether the server is heard, and the theme.
import { api, picked, token } from "./api.js";
import { connection, useChanges } from "./live.js";
import { address, useRoute } from "./router.js";
import { classes, html, useEffect, useShared, useState } from "./ui.js";

const PLACES = [
  ["runs", "Runs", "M3 4h10M3 8h10M3 12h6"],
  ["inbox", "Inbox", "M2.5 9.5h3l1 2h3l1-2h3M4 3.5h8l1.5 6v3.5h-11V9.5z"],
  ["workflows", "Workflows", "M5.5 4a1.5 1.5 0 1 1-3 0a1.5 1.5 0 0 1 3 0M13.5 12a1.5 1.5 0 1 1-3 0a1.5 1.5 0 0 1 3 0M5.5 4h2.5v8h2.5"],
  ["plugins", "Plugins", "M5 2.5v3M11 2.5v3M3.5 5.5h9v3a4.5 4.5 0 0 1-9 0zM8 13v1.5"],
  ["system", "System", "M3 3h10v4H3zM3 9h10v4H3zM5 5h.01M5 11h.01"],
];
const WORDS = { starting: "connecting", live: "live", away: "reconnecting" };

// How many approvals are open; "99+" is as far as it is counted.
function useOpen() {
  const [open, setOpen] = useState(0);
  const load = () => api.approvals({ limit: 100 }).then((page) => setOpen(page.next ? 100 : page.items.length), () => {});
  useEffect(() => void load(), []);
  useChanges(({ reset, changes }) => {
    if (reset || changes.some((change) => change.opened?.length || change.closed?.length)) load();
  }, 500);
  return open;
}

function Theme() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "system");
  const set = (event) => {
    const next = event.target.value;
    setTheme(next);
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      if (next === "system") localStorage.removeItem("pawl-theme");
      else localStorage.setItem("pawl-theme", next);
    } catch {
      // It then holds until the page is loaded again.
    }
  };
  return html`
    <label class="theme"><span class="unseen">theme</span>
      <select value=${theme} onChange=${set}><option value="system">system theme</option><option value="light">light</option><option value="dark">dark</option></select>
    </label>`;
}

// Whoever may see all namespaces sees all, or the one that they pick.
function Namespaces({ me }) {
  const [names, setNames] = useState([]);
  const mayPick = me.bound === false && me.verbs?.includes("manage");
  useEffect(() => {
    if (mayPick) api.namespaces().then(({ items }) => setNames(items.map((item) => item.name)), () => {});
  }, [mayPick]);
  // Where nobody has made one, there is nothing to pick.
  if (!names.length) return null;
  const set = (event) => {
    picked.set(event.target.value);
    // What is shown belongs to the one before, and so do the streams.
    location.hash = address(["runs"]);
    location.reload();
  };
  const all = [...new Set(["default", ...names])].sort();
  return html`
    <label class="theme"><span class="unseen">namespace</span>
      <select value=${picked.get()} onChange=${set}>
        <option value="">all namespaces</option>
        ${all.map((name) => html`<option value=${name}>${name}</option>`)}
      </select>
    </label>`;
}

// `g` and a letter go to a page, `/` to its search: for who does not want to leave the keyboard.
function useKeys() {
  useEffect(() => {
    let after = "";
    const hear = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest("input, textarea, select, dialog")) return;
      const place = after === "g" && PLACES.find(([id]) => id[0] === event.key);
      if (place) location.hash = address([place[0]]);
      if (event.key === "/") {
        const search = document.querySelector("input[type=search]");
        if (search) (event.preventDefault(), search.focus());
      }
      after = event.key;
    };
    addEventListener("keydown", hear);
    return () => removeEventListener("keydown", hear);
  }, []);
}

export function Frame({ me, leave, children }) {
  const { parts } = useRoute();
  const state = useShared(connection);
  const open = useOpen();
  useKeys();
  const name = me.name ?? me.actor?.name;
  return html`
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), document.getElementById("main").focus())}>to the page</a>
    <header class="rail">
      <a class="brand" href="#/runs"><img src="/console/icon.svg" alt="" width="22" height="22" /> pawl</a>
      <nav aria-label="pages">
        ${PLACES.map(([id, text, path]) => html`
          <a href=${address([id])} class=${classes("place", parts[0] === id && "is-here")} aria-current=${parts[0] === id ? "page" : undefined}>
            <svg viewBox="0 0 16 16" aria-hidden="true"><path d=${path} /></svg><span>${text}</span>
            ${id === "inbox" && open > 0 && html`<span class="badge" aria-label=${`${open} open`}>${open > 99 ? "99+" : open}</span>`}
          </a>`)}
      </nav>
      <div class="rail-end">
        <span class=${`link is-${state}`} role="status"><i aria-hidden="true"></i>${WORDS[state]}</span>
        ${name && html`<span class="who" title=${[...(me.roles ?? []), ...(me.groups ?? [])].join(", ")}>${name}${me.namespace ? ` · ${me.namespace}` : ""}</span>`}
        <${Namespaces} me=${me} />
        <${Theme} />
        ${token.get() && html`<button type="button" class="small" onClick=${leave}>sign out</button>`}
      </div>
    </header>
    <main id="main" tabIndex="-1">${children}</main>`;
}
