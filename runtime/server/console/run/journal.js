// All events of a run, with a search. Only what can be seen is drawn, so thousands are no burden.
import { classes, html, useEffect, useMemo, useRef, useState } from "../ui.js";
import { duration, instant, line, millis, payload } from "../format.js";
import { asked } from "./story.js";
import { Facts } from "../parts/small.js";
import { Value } from "../parts/value.js";
import { Window } from "../parts/window.js";

const TYPING_MS = 120;

const GROUPS = [
  ["all", "all events", () => true],
  ["steps", "steps", (name) => /^(step|items|frame|turn|attempt|task)/.test(name)],
  ["agents", "agents and tools", (name) => /^(call|agent|tool|outcome|task)/.test(name)],
  ["people", "people", (name) => /^(approval|signal|run-(suspended|resumed|retried|cancelled|started))/.test(name)],
  ["budget", "budgets", (name) => name.startsWith("budget")],
  ["routes", "routes", (name) => name.startsWith("route")],
  ["trouble", "failures", (name) => /(failed|exceeded|unknown|warned|exhausted)/.test(name)],
];

// What there is to say of an event in a line. Texts are made once: a search goes through them again and again.
const told = new WeakMap();
function textOf(event) {
  let text = told.get(event);
  if (text === undefined) {
    text = JSON.stringify(event.data) ?? "";
    told.set(event, text);
  }
  return text;
}
// The same for a reader: without what only ties it to others, and with values as they are.
const HIDDEN = new Set(["visit", "digest", "component", "frame", "call", "attempt", "executes"]);
const gists = new WeakMap();
function gistOf(event) {
  let gist = gists.get(event);
  if (gist !== undefined) return gist;
  const data = event.data ?? {};
  if (event.event === "call-completed") {
    const answer = data.response && "Err" in data.response ? data.response.Err.message : payload(data.response?.Ok);
    const head = data.request ? asked(data.request).text : `call ${data.call}`;
    gist = `${head} → ${line(answer ?? null, 120)}`;
  } else {
    const kept = Object.entries(data).filter(([name]) => !HIDDEN.has(name));
    gist = kept.map(([name, value]) => `${name} ${line(payload(value), 110)}`).join("  ");
  }
  gist = line(gist, 220);
  gists.set(event, gist);
  return gist;
}

const lowered = new WeakMap();
function searchable(event) {
  let text = lowered.get(event);
  if (text === undefined) {
    text = `${event.seq} ${event.event} ${textOf(event)}`.toLowerCase();
    lowered.set(event, text);
  }
  return text;
}

function Row({ event, story, chosen, choose }) {
  const held = story.visits.get(event.data?.visit);
  return html`
    <button type="button" role="listitem" class=${classes("row event-row", /(failed|exceeded|unknown)/.test(event.event) && "is-trouble")} aria-current=${chosen ? "true" : undefined} onClick=${() => choose(event.seq)}>
      <code class="faint">${event.seq}</code>
      <time class="faint" dateTime=${event.time} title=${instant(event.time)}>+${duration(millis(event.time) - story.started)}</time>
      <span class="event-name">${event.event}</span>
      <span class="event-step">${held?.name ?? ""}</span>
      <span class="event-text">${gistOf(event)}</span>
    </button>`;
}

function Detail({ event, close }) {
  return html`
    <aside class="side card" aria-label=${`event ${event.seq}`}>
      <header><h2>${event.event}</h2><button type="button" class="plain push" aria-label="close" onClick=${close}>✕</button></header>
      <${Facts} rows=${[["seq", event.seq], ["time", instant(event.time)], ["version", event.version], ["chained to", html`<code>${String(event.prev ?? "").slice(0, 12) || "nothing"}</code>`]]} />
      <${Value} value=${event.data} label="data" />
    </aside>`;
}

export function Journal({ story, turn }) {
  const [typed, setTyped] = useState("");
  const [search, setSearch] = useState("");
  const [group, setGroup] = useState("all");
  const [seq, setSeq] = useState();
  const timer = useRef(0);
  useEffect(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setSearch(typed.trim().toLowerCase()), TYPING_MS);
    return () => clearTimeout(timer.current);
  }, [typed]);
  const found = useMemo(() => {
    const belongs = GROUPS.find(([id]) => id === group)[2];
    const words = search.split(/\s+/).filter(Boolean);
    if (group === "all" && !words.length) return story.events.slice();
    return story.events.filter((event) => belongs(event.event) && words.every((word) => searchable(event).includes(word)));
  }, [turn, search, group]);
  const at = found.findIndex((event) => event.seq === seq);
  const event = seq === undefined ? undefined : story.events[seq - 1];
  // Up and down go through the events: the next one is shown in full.
  const move = (press) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[press.key];
    if (!step || !found.length || press.target.matches("input, select")) return;
    press.preventDefault();
    setSeq(found[Math.min(found.length - 1, Math.max(0, at + step))].seq);
  };
  return html`
    <div class=${classes("journal", event && "has-side")} onKeyDown=${move}>
      <div class="panel-main">
        <div class="filters">
          <label class="unseen" for="search">search in the journal</label>
          <input id="search" type="search" placeholder="search in the journal  ( / )" value=${typed} onInput=${(input) => setTyped(input.target.value)} />
          <label class="unseen" for="group">which events</label>
          <select id="group" value=${group} onChange=${(input) => setGroup(input.target.value)}>${GROUPS.map(([id, text]) => html`<option value=${id}>${text}</option>`)}</select>
          <span class="faint" role="status">${found.length === story.events.length ? found.length : `${found.length} of ${story.events.length}`}</span>
        </div>
        <${Window} items=${found} stick=${!search && group === "all"} show=${at < 0 ? undefined : at} label="events" class="rows-events"
          row=${(one) => html`<${Row} key=${one.seq} event=${one} story=${story} chosen=${one.seq === seq} choose=${setSeq} />`} />
      </div>
      ${event && html`<${Detail} event=${event} close=${() => setSeq(undefined)} />`}
    </div>`;
}
