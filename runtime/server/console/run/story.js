// A run as people see it, folded from its events: visits with their attempts, waits and calls. It takes one event at a
// time, so a run that goes on is drawn as it goes.
import { failure, line, millis, payload } from "../format.js";

const FINAL = new Set(["completed", "failed", "cancelled", "skipped"]);
export const isFinal = (status) => FINAL.has(status);

export function newStory() {
  return {
    events: [],
    lastSeq: 0,
    status: "pending",
    started: undefined,
    ended: undefined,
    visits: new Map(),
    frames: new Map(),
    approvals: new Map(),
    signals: [],
    inputs: undefined,
    outputs: undefined,
    failure: undefined,
    vars: undefined,
    by: undefined,
    parent: undefined,
    plugins: {},
    budgets: [],
    warnings: [],
    // What models say right now, by visit. It is in no journal.
    said: new Map(),
    usage: { input: 0, output: 0, models: 0, tools: 0, money: 0 },
  };
}

// Takes in the next event. Says whether it was new: a stream may begin before the end of what is known.
export function tell(story, event) {
  if (event.seq <= story.lastSeq) return false;
  story.lastSeq = event.seq;
  story.events.push(event);
  const time = millis(event.time);
  story.last = time;
  // What was said came to something, or is said anew.
  story.said.delete(event.data?.visit);
  const act = ACTS[event.event];
  if (act) act(story, event.data ?? {}, time);
  return true;
}

// Takes in what a model says right now.
export function hear(story, { visit, call, text }) {
  const before = story.said.get(visit);
  story.said.set(visit, { call, text: before?.call === call ? `${before.text}\n${text}` : text });
  return true;
}

const visit = (story, data) => story.visits.get(data.visit);
const latest = (visit) => visit?.attempts[visit.attempts.length - 1];

function open(story, data, name, time, status) {
  const made = {
    id: data.visit,
    step: data.step ?? name,
    name,
    frame: data.frame ?? 0,
    because: data.because,
    kind: "",
    work: "",
    status,
    started: time,
    ended: status === "skipped" ? time : undefined,
    note: "",
    attempts: [],
    waits: [],
    spent: {},
  };
  story.visits.set(data.visit, made);
  return made;
}

// A step's id with the items and turns around it: `pay[3]`.
function named(story, step, frame) {
  const labels = [];
  for (let at = story.frames.get(frame); at; at = story.frames.get(story.visits.get(at.visit)?.frame ?? 0)) {
    labels.unshift(at.label);
  }
  return step + labels.join("");
}

function wait(visit, kind, time, text, until) {
  if (!visit) return;
  resume(visit, time);
  visit.status = "waiting";
  visit.waits.push({ kind, from: time, to: undefined, text, until });
}

function resume(visit, time) {
  const last = visit?.waits[visit.waits.length - 1];
  if (last && last.to === undefined) last.to = time;
}

function end(visit, status, time) {
  if (!visit || visit.ended !== undefined) return;
  resume(visit, time);
  const attempt = latest(visit);
  if (attempt && attempt.ended === undefined) Object.assign(attempt, { ended: time, status });
  visit.status = status;
  visit.ended = time;
}

function stopFrame(story, frame, time) {
  for (const held of story.visits.values()) {
    if (held.frame !== frame) continue;
    for (const [id, inner] of story.frames) if (inner.visit === held.id) stopFrame(story, id, time);
    end(held, "cancelled", time);
  }
}

function endAll(story, status, time) {
  for (const held of story.visits.values()) end(held, status, time);
}

function callOf(visit, number, request, time) {
  const attempt = latest(visit);
  if (!attempt) return undefined;
  let call = attempt.calls.find((known) => known.number === number);
  if (!call) {
    call = { number, ...asked(request), started: time, ended: undefined, response: undefined };
    attempt.calls.push(call);
  } else if (request && !call.request) Object.assign(call, asked(request));
  return call;
}

// What a call asks for, as `{kind, text, request}`.
export function asked(request) {
  if (!request) return { kind: "", text: "", request };
  if (typeof request === "string") return { kind: request, text: "lists its tools", request: {} };
  const [[kind, inner]] = Object.entries(request);
  const texts = {
    tool: () => `${inner.name} ${line(inner.arguments, 80)}`,
    agent: () => `agent ${inner.name} ${line(inner.task, 80)}`,
    model: () => `model ${inner.profile}`,
    human: () => `asks ${line(inner.title, 80)}`,
    signal: () => `waits for the signal ${inner.name}`,
    sleep: () => "sleeps",
    log: () => line(inner.message, 120),
    "memory-get": () => `reads ${inner.key} from memory`,
    "memory-put": () => `keeps ${inner.key} in memory`,
  };
  return { kind, text: texts[kind]?.() ?? kind, request: inner };
}

function workOf(work) {
  if (work.tool) return { kind: "tool", work: `${work.tool.plugin}.${work.tool.tool}`, input: payload(work.tool.arguments) };
  if (work.agent) return { kind: "agent", work: work.agent.agent, input: payload(work.agent.input) };
  return { kind: "", work: "" };
}

function answered(story, call, response, time) {
  call.ended = time;
  if (response && "Err" in response) {
    call.failure = response.Err;
    return;
  }
  call.response = payload(response?.Ok);
  if (call.kind === "tool") story.usage.tools += 1;
  if (call.kind !== "model") return;
  const used = call.response?.usage ?? {};
  story.usage.models += 1;
  story.usage.input += used.input_tokens ?? 0;
  story.usage.output += used.output_tokens ?? 0;
}

function add(into, spent = {}) {
  for (const [name, amount] of Object.entries(spent)) into[name] = (into[name] ?? 0) + amount;
}

const KINDS = { branch: "parallel", item: "map" };

function enter(story, { frame, visit: id, entry }) {
  const held = story.visits.get(id);
  const [[kind, inner]] = typeof entry === "string" ? [[entry, undefined]] : Object.entries(entry);
  story.frames.set(frame, { visit: id, label: kind === "item" ? `[${inner}]` : kind === "loop" ? "[0]" : "", kind });
  if (!held) return;
  if (KINDS[kind] || kind === "loop") held.kind = KINDS[kind] ?? "loop";
  if (kind === "catch" || kind === "undo") held.note = failure(inner?.failure);
}

function opened(story, data, time) {
  const held = visit(story, data);
  const approval = { ...data, opened: time, step: held?.name };
  story.approvals.set(data.approval, approval);
  if (!held) return;
  if (data.asker === "step") Object.assign(held, { kind: "human", work: "a person" });
  wait(held, "person", time, data.question?.title ?? "");
  if (typeof data.asker === "string" && data.asker.startsWith("unknown")) held.status = "unknown";
  const number = data.asker?.call;
  if (number !== undefined) callOf(held, number, { human: data.question }, time);
}

function decided(story, data, time) {
  const approval = story.approvals.get(data.approval);
  if (!approval) return;
  approval.decided = { ...data, time };
  const held = story.visits.get(approval.visit);
  if (!held || held.ended !== undefined) return;
  resume(held, time);
  held.status = "running";
  held.note = `${data.action} by ${data.by?.name ?? "?"}`;
}

function finish(story, status, time) {
  story.status = status;
  story.ended = time;
}

const ACTS = {
  "run-started"(story, data, time) {
    Object.assign(story, {
      status: "running",
      started: time,
      inputs: payload(data.inputs),
      by: data.by,
      parent: data.parent,
      ancestor: data.ancestor,
      plugins: data.plugins ?? {},
    });
  },
  "step-started": (story, data, time) => open(story, data, named(story, data.step, data.frame ?? 0), time, "running"),
  "step-skipped": (story, data, time) => open(story, data, named(story, data.step, data.frame ?? 0), time, "skipped"),
  "agent-called"(story, data, time) {
    const caller = story.visits.get(data.caller);
    const made = open(story, { visit: data.visit, frame: caller?.frame, step: caller?.step }, `${caller?.name}/${data.call}`, time, "running");
    made.caller = { visit: data.caller, call: data.call };
    const call = caller && callOf(caller, data.call, undefined, time);
    if (call) call.visit = data.visit;
  },
  "attempt-started"(story, data, time) {
    const held = visit(story, data);
    if (!held) return;
    resume(held, time);
    if (data.work) Object.assign(held, workOf(data.work));
    held.status = "running";
    held.attempts.push({ number: data.attempt, started: time, ended: undefined, status: "running", deadline: data.deadline, calls: [], logs: [] });
  },
  "attempt-failed"(story, data, time) {
    const held = visit(story, data);
    if (!held) return;
    held.note = failure(data.failure);
    const attempt = latest(held);
    if (attempt) Object.assign(attempt, { ended: time, status: "failed", failure: data.failure });
    if (data.retry_at) wait(held, "retry", time, `the next attempt; the last failed: ${held.note}`, data.retry_at);
  },
  "tool-logged"(story, data) {
    latest(visit(story, data))?.logs.push(...(data.lines ?? []));
  },
  "call-started"(story, data, time) {
    const held = visit(story, data);
    if (!held) return;
    callOf(held, data.call, data.request, time);
    if (data.until) wait(held, "timer", time, "a sleep of the agent", data.until);
  },
  "call-completed"(story, data, time) {
    const held = visit(story, data);
    if (!held) return;
    const call = callOf(held, data.call, data.request, time);
    if (call) answered(story, call, data.response, time);
    if (call?.visit) end(story.visits.get(call.visit), call.failure ? "failed" : "completed", time);
    resume(held, time);
    if (held.ended === undefined) held.status = "running";
  },
  "task-handed-over"(story, data, time) {
    const held = visit(story, data);
    const attempt = latest(held);
    if (attempt) Object.assign(attempt, { ended: time, status: "completed", handed: data.to });
  },
  "outcome-unknown"(story, data) {
    const held = visit(story, data);
    if (held) Object.assign(held, { status: "unknown", note: data.reason });
  },
  "approval-opened": opened,
  "approval-decided": decided,
  "wait-started": (story, data, time) => wait(named0(visit(story, data), "wait"), "timer", time, "time", data.until),
  "listen-started"(story, data, time) {
    const [[kind, name]] = Object.entries(data.awaited ?? { signal: "" });
    wait(named0(visit(story, data), "signal"), kind, time, `the ${kind} ${name}`, data.until);
  },
  "signal-received": (story, data, time) => story.signals.push({ ...data, time }),
  "signal-taken": (story, data, time) => goOn(visit(story, data), time),
  "topic-heard": (story, data, time) => goOn(visit(story, data), time),
  emitted(story, data) {
    const held = visit(story, data);
    if (held) Object.assign(held, { kind: "emit", work: data.topic });
  },
  "slot-requested": (story, data, time) => wait(visit(story, data), "slot", time, `a slot of ${data.key}`, data.until),
  "slot-taken": (story, data, time) => goOn(visit(story, data), time),
  "route-requested"(story, data) {
    const held = visit(story, data);
    if (held) Object.assign(held, { routed: true, input: payload(data.input) });
  },
  "route-chosen"(story, data, time) {
    const held = visit(story, data);
    goOn(held, time);
    if (held) held.route = data;
  },
  "route-awaited": (story, data, time) => wait(visit(story, data), "route", time, "a plugin that can do it"),
  "route-exhausted": (story, data, time) => wait(visit(story, data), "retry", time, "all candidates failed", data.retry_at),
  "budget-set": (story, data) => story.budgets.push({ ...data, step: visit(story, data)?.name }),
  "budget-settled"(story, data) {
    story.usage.money += data.spent?.money ?? 0;
    const held = visit(story, data);
    if (held) add(held.spent, data.spent);
  },
  "budget-warned"(story, data) {
    story.warnings.push(`${data.used} of ${data.limit} ${data.dimension} used${data.of ? ` by ${story.visits.get(data.of)?.name}` : ""}`);
  },
  "budget-exceeded"(story, data, time) {
    const held = visit(story, data);
    if (!held) return;
    held.note = "beyond its budget";
    if (data.call && data.request) callOf(held, data.call, data.request, time);
  },
  "child-started"(story, data, time) {
    const held = visit(story, data);
    if (!held) return;
    Object.assign(held, { kind: "workflow", work: data.workflow, child: data.child });
    wait(held, "run", time, `the run of ${data.workflow}`);
  },
  "child-ended": (story, data, time) => goOn(visit(story, data), time),
  "items-taken"(story, data) {
    const held = visit(story, data);
    if (held) Object.assign(held, { kind: "map", items: payload(data.items) });
  },
  "frame-started": enter,
  "turn-started"(story, data) {
    const frame = story.frames.get(data.frame);
    if (frame) frame.label = `[${data.turn}]`;
  },
  "frame-failed": (story, data, time) => stopFrame(story, data.frame, time),
  "frame-cancelled": (story, data, time) => stopFrame(story, data.frame, time),
  "step-completed"(story, data, time) {
    const held = visit(story, data);
    if (!held) return;
    end(held, "completed", time);
    held.output = payload(data.output);
    held.status = "completed";
  },
  "step-failed"(story, data, time) {
    const held = visit(story, data);
    if (!held) return;
    end(held, "failed", time);
    Object.assign(held, { note: failure(data.failure), failure: data.failure });
  },
  "step-held"(story, data, time) {
    const held = visit(story, data);
    if (held) wait(held, "resume", time, "an operator");
  },
  "vars-set": (story, data) => (story.vars = { ...story.vars, ...payload(data.vars) }),
  "undo-started"(story, data, time) {
    endAll(story, "cancelled", time);
    story.undoing = true;
    story.failure = data.failure;
  },
  "run-completed"(story, data, time) {
    story.outputs = payload(data.outputs);
    finish(story, "completed", time);
  },
  "run-failed"(story, data, time) {
    endAll(story, "failed", time);
    story.failure = data.failure;
    finish(story, "failed", time);
  },
  "run-cancelled"(story, data, time) {
    endAll(story, "cancelled", time);
    Object.assign(story, { cancelled: data });
    finish(story, "cancelled", time);
  },
  "run-retried"(story, data) {
    for (const held of story.visits.values()) {
      if (held.ended !== story.ended || held.status !== "failed" || (held.id === data.visit && !data.again)) continue;
      Object.assign(held, { status: "running", ended: undefined });
    }
    Object.assign(story, { status: "running", ended: undefined, failure: undefined });
  },
  "run-suspended": (story) => (story.status = "suspended"),
  "run-resumed"(story, _, time) {
    story.status = "running";
    for (const held of story.visits.values()) {
      const last = held.waits[held.waits.length - 1];
      if (last?.kind === "resume") goOn(held, time);
    }
  },
  "inputs-changed": (story, data) => (story.inputs = payload(data.inputs)),
};

function named0(held, kind) {
  if (held && !held.kind) held.kind = kind;
  return held;
}

function goOn(held, time) {
  if (!held || held.ended !== undefined) return;
  resume(held, time);
  held.status = "running";
}

// The visits of a step of the workflow, in order of arrival.
export function byStep(story) {
  const found = new Map();
  for (const held of story.visits.values()) {
    if (held.caller) continue;
    const known = found.get(held.step);
    if (known) known.push(held);
    else found.set(held.step, [held]);
  }
  return found;
}

const RANK = ["failed", "unknown", "waiting", "running", "cancelled", "completed", "skipped"];

// Where a step stands that was arrived at several times: what needs attention first. In a loop the newest counts.
export function standing(visits) {
  const open = visits.filter((held) => held.ended === undefined).map((held) => held.status);
  if (open.length) return RANK.find((status) => open.includes(status)) ?? "running";
  const last = visits[visits.length - 1];
  const inFrames = new Set(visits.map((held) => held.frame)).size > 1;
  const all = visits.map((held) => held.status);
  return inFrames ? RANK.find((status) => all.includes(status)) : last.status;
}
