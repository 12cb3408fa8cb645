// What ran when: a bar for each visit, with its attempts and what it waited for.
import { html, useMemo, useNow, useState } from "../ui.js";
import { duration, instant } from "../format.js";
import { Empty } from "../parts/small.js";
import { Glyph } from "../parts/status.js";
import { Window } from "../parts/window.js";

// Where the scale is even, two days of waiting leave nothing of a second of work. So a stretch between two moments
// at which something happened is drawn with the root of its length, unless the reader wants it true to scale.
const MOMENTS_MAX = 4000;

function scaleOf(moments, isTrue) {
  const first = moments[0] ?? 0;
  const last = moments[moments.length - 1] ?? first;
  if (isTrue || moments.length < 3) {
    const span = Math.max(1, last - first);
    return (at) => Math.min(1, Math.max(0, (at - first) / span));
  }
  const sums = [0];
  for (let at = 1; at < moments.length; at += 1) sums.push(sums[at - 1] + Math.sqrt(moments[at] - moments[at - 1] + 1));
  const total = sums[sums.length - 1] || 1;
  return (time) => {
    let low = 0;
    let high = moments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (moments[middle] <= time) low = middle;
      else high = middle - 1;
    }
    const next = moments[low + 1];
    const part = next === undefined ? 0 : (time - moments[low]) / (next - moments[low]);
    return Math.min(1, (sums[low] + Math.max(0, part) * ((sums[low + 1] ?? sums[low]) - sums[low])) / total);
  };
}

function momentsOf(visits, start, end) {
  const found = new Set([start, end]);
  for (const held of visits) {
    found.add(held.started);
    if (held.ended !== undefined) found.add(held.ended);
    for (const part of [...held.attempts.map((one) => [one.started, one.ended]), ...held.waits.map((one) => [one.from, one.to])]) {
      for (const at of part) if (at !== undefined) found.add(at);
    }
  }
  const sorted = [...found].filter((at) => at >= start && at <= end).sort((a, b) => a - b);
  const step = Math.ceil(sorted.length / MOMENTS_MAX);
  return sorted.filter((_, at) => at % step === 0 || at === sorted.length - 1);
}

const percent = (part) => `${(part * 100).toFixed(3)}%`;

function Bar({ from, to, scale, kind, text }) {
  const left = scale(from);
  return html`<span class=${`bar bar-${kind}`} title=${text} style=${{ left: percent(left), width: percent(Math.max(0, scale(to) - left)) }}></span>`;
}

function Row({ held, scale, end, chosen, choose }) {
  const stop = held.ended ?? end;
  const words = `${held.name}: ${held.status}, ${duration(stop - held.started)}${held.attempts.length > 1 ? `, ${held.attempts.length} attempts` : ""}`;
  return html`
    <button type="button" role="listitem" class="row time-row" aria-current=${chosen ? "true" : undefined} aria-label=${words} onClick=${() => choose(held.id)}>
      <span class="time-name"><${Glyph} status=${held.status} />${held.name}</span>
      <span class="time-bars">
        <${Bar} from=${held.started} to=${stop} scale=${scale} kind="visit" text=${words} />
        ${held.attempts.map((one) => html`<${Bar} from=${one.started} to=${one.ended ?? stop} scale=${scale} kind=${one.status === "failed" ? "failed" : held.status === "running" && one.ended === undefined ? "running" : "work"} text=${`attempt ${one.number}: ${one.status}, ${duration((one.ended ?? stop) - one.started)}`} />`)}
        ${held.waits.map((one) => html`<${Bar} from=${one.from} to=${one.to ?? stop} scale=${scale} kind=${`wait wait-${one.kind}`} text=${`waits ${duration((one.to ?? stop) - one.from)} for ${one.text}`} />`)}
      </span>
      <span class="time-took">${held.status === "skipped" ? "skipped" : duration(stop - held.started)}</span>
    </button>`;
}

export function Timeline({ story, turn, chosen, choose }) {
  const [isTrue, setTrue] = useState(false);
  const now = useNow(1000);
  const isOver = story.ended !== undefined;
  const end = isOver ? story.ended : Math.max(now, story.last ?? now);
  const visits = useMemo(() => [...story.visits.values()], [turn]);
  const scale = useMemo(() => scaleOf(momentsOf(visits, story.started ?? end, end), isTrue), [turn, isTrue, isOver ? 0 : Math.floor(end / 1000)]);
  if (!visits.length) return html`<${Empty}>No step was reached yet.</${Empty}>`;
  return html`
    <div class="timeline">
      <div class="timeline-head">
        <span class="faint">${instant(story.started)} · ${duration(end - story.started)}</span>
        <ul class="legend" aria-label="what the bars mean"><li><i class="bar-work"></i>work</li><li><i class="bar-failed"></i>failed attempt</li><li><i class="bar-wait"></i>wait</li></ul>
        <label class="check push"><input type="checkbox" checked=${isTrue} onChange=${(event) => setTrue(event.target.checked)} /> true to scale</label>
      </div>
      <${Window} items=${visits} label="timeline" class="rows-times" row=${(held) => html`<${Row} key=${held.id} held=${held} scale=${scale} end=${end} chosen=${held.id === chosen} choose=${choose} />`} />
    </div>`;
}
