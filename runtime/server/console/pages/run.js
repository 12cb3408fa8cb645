// One run: where it stands, what it waits for, and everything that led there.
import { api, follow, isMissing, streams } from "../api.js";
import { classes, html, useCallback, useEffect, useLoaded, useNow, useRef, useState } from "../ui.js";
import { count, duration, failure, instant, millis, money, plural } from "../format.js";
import { address, refine, useRoute } from "../router.js";
import { useChanges } from "../live.js";
import { LoadedApproval } from "../parts/approval.js";
import { Ago, Empty, Facts, Id, Tabs, Title, Trouble } from "../parts/small.js";
import { Status } from "../parts/status.js";
import { Value } from "../parts/value.js";
import { Actions } from "../run/actions.js";
import { Graph } from "../run/graph.js";
import { Journal } from "../run/journal.js";
import { Steps, Visit } from "../run/steps.js";
import { Talk, agents } from "../run/talk.js";
import { Timeline } from "../run/timeline.js";
import { hear, newStory, tell } from "../run/story.js";
import { waitsFor } from "../run/waits.js";

const isOver = (status) => ["completed", "failed", "cancelled"].includes(status);

// The run's story, told anew with each frame in which something has happened. `turn` counts those. The stream of a run
// that is over ends; when the run has changed since, somebody tried it again, and it goes on behind what is known.
function useStory(id, changed) {
  const story = useRef(newStory());
  const [turn, setTurn] = useState(0);
  const [refused, setRefused] = useState();
  const [ended, setEnded] = useState(false);
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (ended) (setEnded(false), setRound((old) => old + 1));
  }, [changed]);
  useEffect(() => {
    const stop = new AbortController();
    let frame = 0;
    const draw = () => ((frame = 0), setTurn((old) => old + 1));
    follow(streams.run(id), {
      signal: stop.signal,
      after: story.current.lastSeq || undefined,
      state: (state, error) => state === "refused" && setRefused(error),
      heard({ name, data }) {
        if (name === "end") return setEnded(true), false;
        const told = name === "said" ? hear(story.current, data) : data?.seq && tell(story.current, data);
        if (told) frame ||= setTimeout(draw, document.hidden ? 500 : 40);
        return true;
      },
    });
    return () => {
      stop.abort();
      clearTimeout(frame);
      if (frame) setTurn((old) => old + 1);
    };
  }, [id, round]);
  return { story: story.current, turn, refused };
}

// The header, again whenever the run changes.
function useHeader(id) {
  const loaded = useLoaded((signal) => api.run(id, signal), [id]);
  useChanges(({ reset, changes }) => {
    if (reset || changes.some((change) => change.run === id)) loaded.again();
  }, 100);
  return loaded;
}

function Line({ run }) {
  const now = useNow(1000);
  const waits = waitsFor(run, now);
  const asks = run.waiting?.for === "approval" && run.waiting.approval;
  const child = run.waiting?.for === "run" && run.waiting.run;
  if (waits) {
    return html`<p class="waits"><span>waits for</span> ${waits}
      ${asks && html` <a href=${address(["inbox", asks])}>answer it</a>`}${child && html` <a href=${address(["runs", child])}>see it</a>`}</p>`;
  }
  if (run.error) return html`<p class="waits is-failed"><span>${run.error.kind}</span> ${run.error.message}</p>`;
  return null;
}

function Numbers({ run, story }) {
  const now = useNow(1000);
  const isDone = isOver(run.status);
  const { usage } = story;
  return html`<${Facts} rows=${[
    ["started", html`<${Ago} at=${run.created_at} />`],
    [isDone ? "took" : "for", duration((isDone ? millis(run.updated_at) : now) - millis(run.created_at))],
    ["by", story.by ? `${story.by.name} (${story.by.via})` : "…"],
    run.parent && ["within", html`<a href=${address(["runs", run.parent])}>another run</a>`],
    usage.models > 0 && ["tokens", html`${count(usage.input)} in · ${count(usage.output)} out`],
    usage.models > 0 && ["model calls", count(usage.models)],
    usage.tools > 0 && ["tool calls", count(usage.tools)],
    usage.money > 0 && ["cost", money(usage.money)],
    ["events", count(story.events.length)],
  ]} />`;
}

function Data({ run, story }) {
  return html`
    <div class="data">
      <section><h2>Inputs</h2><${Value} value=${story.inputs} label="inputs" /></section>
      <section><h2>Outputs</h2><${Value} value=${run.outputs ?? story.outputs} label="outputs" /></section>
      ${run.error && html`<section><h2>Failure</h2><p class="error">${failure(run.error)}</p>${run.error.details && html`<${Value} value=${run.error.details} label="details" />`}</section>`}
      ${story.vars && html`<section><h2>Variables</h2><${Value} value=${story.vars} label="variables" /></section>`}
      <section><h2>Definition</h2>
        <${Facts} rows=${[["workflow", `${run.workflow} ${run.version}`], ["digest", html`<code>${run.definition}</code>`], ["last change", instant(run.updated_at)]]} />
        <table class="table"><caption class="unseen">plugins that the run is pinned to</caption><thead><tr><th>plugin</th><th>component</th></tr></thead>
          <tbody>${Object.entries(story.plugins).map(([name, pin]) => html`<tr><td>${name}</td><td><code>${pin.component?.slice(0, 16) ?? ""}</code></td></tr>`)}</tbody></table>
      </section>
    </div>`;
}

// The graph as the server has it; without one, the steps that were come to, one after the other.
function useGraph(id, definition) {
  const [graph, setGraph] = useState();
  useEffect(() => {
    if (!definition) return undefined;
    const stop = new AbortController();
    api.graph(id, stop.signal).then(setGraph, (error) => setGraph(isMissing(error) || error.status ? null : undefined));
    return () => stop.abort();
  }, [id, definition]);
  return graph;
}

export function Run({ id }) {
  const { query } = useRoute();
  const { data: run, error, again } = useHeader(id);
  const { story, turn, refused } = useStory(id, run?.updated_at);
  const graph = useGraph(id, run?.definition);
  const tab = query.get("tab") ?? "steps";
  const chosen = query.get("visit") ? Number(query.get("visit")) : undefined;
  const set = (fields) => refine({ ...Object.fromEntries(query), ...fields });
  const choose = useCallback((visit) => set({ visit: visit === undefined ? "" : String(visit) }), [query]);

  if (error && !run) return html`<div class="page"><${Title} text="Run" /><${Trouble} error=${error} again=${again} /></div>`;
  if (!run) return html`<div class="page"><${Title} text="Run" /><${Empty}>loading</${Empty}></div>`;
  const talks = agents(story);
  const tabs = [
    ["steps", "Steps"],
    ["timeline", "Timeline"],
    ["agents", "Agents", talks.length],
    ["journal", "Journal"],
    ["data", "Data"],
  ];
  const approval = run.status === "waiting" && run.waiting?.for === "approval" ? run.waiting.approval : undefined;
  const visit = chosen === undefined ? undefined : story.visits.get(chosen);
  return html`
    <div class="page page-run">
      <header class="run-head">
        <div class="page-head">
          <a class="back" href=${address(["runs"])}>‹ runs</a>
          <${Title} text=${run.workflow}>${run.workflow} <span class="faint">${run.version}</span></${Title}>
          <${Status} status=${run.status} />
          <${Id} id=${run.id} />
          <${Actions} run=${run} changed=${again} />
        </div>
        <${Line} run=${run} />
        ${story.warnings.map((warning) => html`<p class="warning">${warning}</p>`)}
        <${Trouble} error=${error ?? refused} again=${again} />
        <${Numbers} run=${run} story=${story} turn=${turn} />
      </header>
      ${approval && tab === "steps" && html`<div class="card run-approval"><${LoadedApproval} key=${approval} id=${approval} done=${again} within=${true} /></div>`}
      <${Tabs} tabs=${tabs} chosen=${tab} choose=${(next) => set({ tab: next === "steps" ? "" : next })} label="views of the run" />
      <div class=${classes("panel", visit && tab !== "journal" && tab !== "data" && "has-side")} role="tabpanel" id=${`panel-${tab}`} aria-labelledby=${`tab-${tab}`}>
        <div class="panel-main">
          ${tab === "steps" && html`
            <div class="overview">
              <${Graph} graph=${graph} story=${story} turn=${turn} chosen=${visit?.step} choose=${choose} />
              <${Steps} story=${story} turn=${turn} chosen=${chosen} choose=${choose} />
            </div>`}
          ${tab === "timeline" && html`<${Timeline} story=${story} turn=${turn} chosen=${chosen} choose=${choose} />`}
          ${tab === "agents" && html`<${Talk} story=${story} turn=${turn} talks=${talks} />`}
          ${tab === "journal" && html`<${Journal} story=${story} turn=${turn} />`}
          ${tab === "data" && html`<${Data} run=${run} story=${story} />`}
        </div>
        ${visit && tab !== "journal" && tab !== "data" && html`<${Visit} run=${id} story=${story} visit=${visit} turn=${turn} close=${() => choose(undefined)} />`}
      </div>
      ${story.signals.length > 0 && tab === "data" && html`<p class="faint">${plural(story.signals.length, "signal")} came in.</p>`}
    </div>`;
}
