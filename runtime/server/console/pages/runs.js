// All runs, newest first, kept up with what changes.
import { api } from "../api.js";
import { classes, html, useCallback, useEffect, useMemo, useNow, useRef, useState } from "../ui.js";
import { duration, millis, relative, instant, shortId } from "../format.js";
import { address, refine, useRoute } from "../router.js";
import { useChanges } from "../live.js";
import { notable } from "../run/waits.js";
import { Empty, Title, Trouble } from "../parts/small.js";
import { Glyph, STATUSES } from "../parts/status.js";
import { Window } from "../parts/window.js";

const PAGE_ROWS = 200;
// More runs than this that change at once are listed anew rather than asked for one by one.
const ONE_BY_ONE_MAX = 12;

const fits = (run, { status, workflow }) =>
  (!status || status.split(",").includes(run.status)) && (!workflow || run.workflow === workflow);

// Runs by id, with their order: ids begin with the time, so the order of ids is the order of starting.
function merge(old, fresh, fields) {
  const byId = new Map(old.map((run) => [run.id, run]));
  for (const run of fresh) {
    if (fits(run, fields)) byId.set(run.id, run);
    else byId.delete(run.id);
  }
  return [...byId.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
}

function useRuns(fields) {
  const [list, setList] = useState({ items: [], next: undefined, loaded: false, error: undefined });
  const names = JSON.stringify(fields);
  const busy = useRef(false);
  const latest = useRef(list);
  latest.current = list;

  const load = useCallback(async (signal) => {
    try {
      const page = await api.runs({ ...JSON.parse(names), limit: PAGE_ROWS }, signal);
      setList({ items: page.items, next: page.next, loaded: true, error: undefined });
    } catch (error) {
      if (error.name !== "AbortError") setList((old) => ({ ...old, loaded: true, error }));
    }
  }, [names]);
  useEffect(() => {
    const stop = new AbortController();
    load(stop.signal);
    return () => stop.abort();
  }, [load]);

  const more = useCallback(async () => {
    const { next, error } = latest.current;
    if (!next || busy.current || error) return;
    busy.current = true;
    try {
      const page = await api.runs({ ...JSON.parse(names), cursor: next, limit: PAGE_ROWS });
      setList((old) => (old.next === next ? { ...old, items: [...old.items, ...page.items], next: page.next } : old));
    } catch (error) {
      setList((old) => ({ ...old, error }));
    } finally {
      busy.current = false;
    }
  }, [names]);

  // The newest page again: what is further down is as it was.
  const freshen = useCallback(async () => {
    const chosen = JSON.parse(names);
    const page = await api.runs({ ...chosen, limit: PAGE_ROWS }).catch(() => undefined);
    if (!page) return;
    setList((old) => {
      const seen = new Set(page.items.map((run) => run.id));
      const oldest = page.items[page.items.length - 1]?.id ?? "";
      // A run within the page that the page has not is there no more, or fits no more.
      const kept = old.items.filter((run) => seen.has(run.id) || (page.next && run.id < oldest));
      return { ...old, items: merge(kept, page.items, chosen), next: old.items.length > PAGE_ROWS ? old.next : page.next, error: undefined, loaded: true };
    });
  }, [names]);

  useChanges(async ({ reset, changes }) => {
    const removed = new Set(changes.filter((change) => change.removed === true).map((change) => change.run));
    const ids = [...new Set(changes.map((change) => change.run))].filter((id) => id && !removed.has(id));
    if (removed.size) setList((old) => ({ ...old, items: old.items.filter((run) => !removed.has(run.id)) }));
    if (reset || ids.length > ONE_BY_ONE_MAX) return freshen();
    const chosen = JSON.parse(names);
    // With a search, only the server knows what fits.
    if (chosen.q && ids.length) return freshen();
    const { items, next } = latest.current;
    const oldest = items[items.length - 1]?.id ?? "";
    const wanted = ids.filter((id) => !next || id >= oldest);
    const fresh = (await Promise.all(wanted.map((id) => api.run(id).catch(() => undefined)))).filter(Boolean);
    if (fresh.length) setList((old) => ({ ...old, items: merge(old.items, fresh, chosen) }));
  });
  return { ...list, more, load };
}

function Row({ run, now }) {
  const isDone = ["completed", "failed", "cancelled"].includes(run.status);
  const took = (isDone ? millis(run.updated_at) : now) - millis(run.created_at);
  return html`
    <a class="row run-row" role="listitem" href=${address(["runs", run.id])}>
      <span class=${`status is-${run.status}`}><${Glyph} status=${run.status} /><span class="word">${run.status}</span></span>
      <span class="run-name">${run.workflow} <span class="faint">${run.version}</span></span>
      <span class="run-note" title=${notable(run, now)}>${run.parent ? html`<span class="tag">within</span> ` : ""}${notable(run, now)}</span>
      <code class="faint run-id" title=${run.id}>${shortId(run.id)}</code>
      <span class="run-took" title=${isDone ? "how long it took" : "how long it has been there"}>${duration(took)}</span>
      <time class="run-at" dateTime=${run.created_at} title=${instant(run.created_at)}>${relative(run.created_at, now)}</time>
    </a>`;
}

function Filters({ fields, workflows }) {
  const chosen = new Set((fields.status ?? "").split(",").filter(Boolean));
  const toggle = (status) => {
    const next = new Set(chosen);
    if (!next.delete(status)) next.add(status);
    refine({ ...fields, status: [...next].join(",") });
  };
  return html`
    <div class="filters" role="group" aria-label="filters">
      <div class="chips" role="group" aria-label="status">
        ${STATUSES.map((status) => html`
          <button type="button" class=${`chip is-${status}`} aria-pressed=${chosen.has(status) ? "true" : "false"} onClick=${() => toggle(status)}>
            <${Glyph} status=${status} />${status}</button>`)}
      </div>
      <label class="unseen" for="q">search in runs</label>
      <input id="q" type="search" placeholder="search  ( / )" value=${fields.q ?? ""}
        onChange=${(event) => refine({ ...fields, q: event.target.value.trim() })}
        onInput=${(event) => event.target.value === "" && refine({ ...fields, q: "" })} />
      <label class="unseen" for="workflow">workflow</label>
      <input id="workflow" type="search" list="workflows" placeholder="workflow" value=${fields.workflow ?? ""}
        onChange=${(event) => refine({ ...fields, workflow: event.target.value.trim() })}
        onInput=${(event) => event.target.value === "" && refine({ ...fields, workflow: "" })} />
      <datalist id="workflows">${workflows.map((name) => html`<option value=${name} />`)}</datalist>
    </div>`;
}

export function Runs() {
  const { query } = useRoute();
  const status = query.get("status") ?? undefined;
  const workflow = query.get("workflow") ?? undefined;
  const parent = query.get("parent") ?? undefined;
  const q = query.get("q") ?? undefined;
  const fields = { status, workflow, parent, q };
  const { items, next, loaded, error, more, load } = useRuns(fields);
  const now = useNow(1000);
  const workflows = useMemo(() => [...new Set(items.map((run) => run.workflow))].sort(), [items]);
  const filtered = status || workflow || parent || q;
  return html`
    <div class="page page-runs">
      <header class="page-head">
        <${Title} text="Runs" />
        <span class="faint" aria-live="off">${items.length}${next ? "+" : ""}</span>
        <a class="button primary push" href=${address(["workflows"])}>start a run</a>
      </header>
      <${Filters} fields=${fields} workflows=${workflows} />
      <${Trouble} error=${error} again=${() => load()} />
      ${loaded && !items.length && !error && html`<${Empty}>${filtered ? "No run fits these filters." : html`No run yet. <a href=${address(["workflows"])}>Start one</a>, or say <code>pawl run FILE</code>.`}</${Empty}>`}
      <${Window} items=${items} near=${more} label="runs" class=${classes("rows-runs")} row=${(run) => html`<${Row} key=${run.id} run=${run} now=${now} />`} />
    </div>`;
}
