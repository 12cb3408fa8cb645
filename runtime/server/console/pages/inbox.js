// All that waits for people, and one of them to answer.
import { api } from "../api.js";
import { classes, html, useCallback, useEffect, useState } from "../ui.js";
import { address, go, refine, useRoute } from "../router.js";
import { useChanges } from "../live.js";
import { LoadedApproval } from "../parts/approval.js";
import { Ago, Empty, Title, Trouble } from "../parts/small.js";
import { Window } from "../parts/window.js";

const PAGE_ROWS = 100;

// The open approvals, as far as they were asked for, kept up with what changes.
function useApprovals(fields) {
  const [list, setList] = useState({ items: [], next: undefined, error: undefined, loaded: false });
  const names = JSON.stringify(fields);
  const load = useCallback(async (cursor, rows = PAGE_ROWS) => {
    try {
      const page = await api.approvals({ ...JSON.parse(names), cursor, limit: rows });
      setList((old) => ({ items: cursor ? [...old.items, ...page.items] : page.items, next: page.next, error: undefined, loaded: true }));
    } catch (error) {
      setList((old) => ({ ...old, error, loaded: true }));
    }
  }, [names]);
  useEffect(() => void load(), [load]);
  useChanges(({ reset, changes }) => {
    const opened = changes.some((change) => change.opened?.length);
    const closed = new Set(changes.flatMap((change) => change.closed ?? []));
    if (closed.size) setList((old) => ({ ...old, items: old.items.filter((item) => !closed.has(item.id)) }));
    const isTouched = changes.some((change) => change.status === "waiting");
    if (reset || opened || isTouched) load(undefined, Math.min(500, Math.max(PAGE_ROWS, list.items.length)));
  });
  return { ...list, load };
}

function Row({ open, chosen }) {
  return html`
    <a class=${classes("row inbox-row", chosen && "is-chosen")} role="listitem" aria-current=${chosen ? "true" : undefined} href=${address(["inbox", open.id])}>
      <span class="row-main">${open.title}</span>
      <span class="row-more">
        <span>${open.workflow} · ${open.step}</span>
        ${open.claimed_by && html`<span class="tag">held by ${open.claimed_by}</span>`}
        ${open.quorum > 1 && html`<span class="tag">${open.decisions?.length ?? 0} of ${open.quorum}</span>`}
        <span class="push">${open.due ? html`due <${Ago} at=${open.due} every=${10_000} />` : html`<${Ago} at=${open.created_at} every=${10_000} />`}</span>
      </span>
    </a>`;
}

export function Inbox() {
  const { parts, query } = useRoute();
  const chosen = parts[1];
  const run = query.get("run") ?? undefined;
  const mine = query.get("mine") ?? undefined;
  const { items, next, error, loaded, load } = useApprovals({ run, mine });
  const [answered, setAnswered] = useState();
  const [busy, setBusy] = useState(false);
  const near = useCallback(async () => {
    if (!next || busy) return;
    setBusy(true);
    await load(next);
    setBusy(false);
  }, [next, busy, load]);

  const done = (action, answer) => {
    const at = items.findIndex((item) => item.id === chosen);
    const following = items[at + 1] ?? items[at - 1];
    setAnswered({ action, run: answer?.run, title: items[at]?.title });
    go(following && following.id !== chosen ? ["inbox", following.id] : ["inbox"]);
  };

  return html`
    <div class=${classes("split", chosen && "has-chosen")}>
      <div class="split-list">
        <header class="page-head"><${Title} text="Inbox" />
          ${(mine || items[0]?.claimed_by !== undefined) && html`<label class="check"><input type="checkbox" checked=${mine === "true"} onChange=${(event) => refine({ mine: event.target.checked ? "true" : "" })} /> mine</label>`}
        </header>
        ${answered && html`<p class="done" role="status">answered <em>${answered.action}</em>${answered.run && html`; <a href=${address(["runs", answered.run])}>see the run go on</a>`}</p>`}
        <${Trouble} error=${error} again=${() => load()} />
        ${loaded && !items.length && !error && html`<${Empty}>Nothing waits for a person.</${Empty}>`}
        <${Window} items=${items} near=${near} label="open approvals" class="rows-inbox" row=${(open) => html`<${Row} key=${open.id} open=${open} chosen=${open.id === chosen} />`} />
      </div>
      <div class="split-chosen">
        ${chosen
          ? html`<a class="back" href=${address(["inbox"])}>‹ inbox</a><${LoadedApproval} key=${chosen} id=${chosen} done=${done} />`
          : html`<${Empty}>Choose one to answer it.</${Empty}>`}
      </div>
    </div>`;
}
