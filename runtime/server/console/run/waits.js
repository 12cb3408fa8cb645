// What a run waits for, in one line.
import { duration, instant, line, millis } from "../format.js";

const until = (text, now) =>
  text ? ` until ${instant(text)} (${duration(Math.max(0, millis(text) - now))} more)` : "";

const SENTENCES = {
  approval: (waiting) => `a person at ${waiting.step}: ${line(waiting.title)}`,
  timer(waiting, now) {
    const what = { retry: "the next attempt of ", sleep: "an agent's sleep in " }[waiting.reason] ?? "time at ";
    return `${what}${waiting.step}${until(waiting.until, now)}`;
  },
  resume: (waiting) => `somebody to resume it; suspended by ${waiting.by}${waiting.reason ? `: ${line(waiting.reason)}` : ""}`,
  signal: (waiting, now) => `the signal “${waiting.name}” at ${waiting.step}${until(waiting.until, now)}`,
  topic: (waiting, now) => `an event of ${waiting.pattern} at ${waiting.step}${until(waiting.until, now)}`,
  slot: (waiting, now) => `a free slot of ${waiting.key}${waiting.step ? ` at ${waiting.step}` : ""}${until(waiting.until, now)}`,
  route: (waiting) => `a plugin at ${waiting.step}: ${line(waiting.wanted)}`,
  run: (waiting) => `another run at ${waiting.step}`,
};

// The rest of "waits for …"; nothing where the run does not wait.
export function waitsFor(run, now = Date.now()) {
  const waiting = run?.waiting;
  if (!waiting || !["waiting", "suspended"].includes(run.status)) return "";
  return SENTENCES[waiting.for]?.(waiting, now) ?? waiting.for;
}

// What there is to say of a run in a list.
export function notable(run, now) {
  const waits = waitsFor(run, now);
  if (waits) return `waits for ${waits}`;
  if (run.error) return `${run.error.kind}: ${line(run.error.message)}`;
  if (run.outputs && Object.keys(run.outputs).length) return line(run.outputs);
  return "";
}
