// The one place that knows the paths of the API.
import { shared } from "./ui.js";
import { read } from "./sse.js";

const TOKEN = "pawl-token";
const NAMESPACE = "pawl-namespace";
const WAIT_MIN_MS = 500;
const WAIT_MAX_MS = 10_000;
// The server says something every 15 seconds; a stream that is silent for longer is dead.
const SILENCE_MAX_MS = 45_000;

export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? "",
  set: (text) => (text ? sessionStorage.setItem(TOKEN, text) : sessionStorage.removeItem(TOKEN)),
};

// The namespace that an admin of all has picked; "" for all of them.
export const picked = {
  get: () => sessionStorage.getItem(NAMESPACE) ?? "",
  set: (name) => (name ? sessionStorage.setItem(NAMESPACE, name) : sessionStorage.removeItem(NAMESPACE)),
};

// Set when the server wants to know who asks.
export const signedOut = shared(false);

// An answer that says why not: RFC 9457.
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.status = status;
    this.code = body.code ?? "";
    this.title = body.title ?? "";
    this.errors = body.errors;
  }
}

function headers(more = {}) {
  const secret = token.get();
  const namespace = picked.get();
  const all = { ...(secret && { authorization: `Bearer ${secret}` }), ...(namespace && { [NAMESPACE]: namespace }), ...more };
  // What is to be of no namespace says so.
  if (all[NAMESPACE] === "") delete all[NAMESPACE];
  return all;
}

async function problem(response) {
  if (response.status === 401) signedOut.set(true);
  const text = await response.text();
  try {
    return new Problem(response.status, JSON.parse(text));
  } catch {
    return new Problem(response.status, { detail: text.slice(0, 500) });
  }
}

async function call(method, path, body, { signal, more } = {}) {
  const options = { method, signal, headers: headers({ accept: "application/json", ...more }) };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "unreachable", detail: "the server does not answer; what was accepted is on disk" });
  }
  if (!response.ok) throw await problem(response);
  const type = response.headers.get("content-type") ?? "";
  const found = type.includes("json") ? await response.json() : await response.text();
  return more?.etag ? { found, etag: response.headers.get("etag") } : found;
}

function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

const at = (...parts) => `/v1/${parts.map(encodeURIComponent).join("/")}`;
const get = (path, signal) => call("GET", path, undefined, { signal });
const post = (path, body = {}, more) => call("POST", path, body, { more });

export const api = {
  me: (signal) => get("/v1/me", signal),
  // All of them, whichever is picked.
  namespaces: () => call("GET", "/v1/namespaces", undefined, { more: { [NAMESPACE]: "" } }),
  system: (signal) => get("/v1/system", signal),
  runs: (fields, signal) => get(`/v1/runs${query(fields)}`, signal),
  run: (run, signal) => get(at("runs", run), signal),
  start: (body, key) => post("/v1/runs", body, { "idempotency-key": key }),
  graph: (run, signal) => get(`${at("runs", run, "graph")}?format=json`, signal),
  cancel: (run, reason) => post(at("runs", run, "cancel"), { reason }),
  suspend: (run, reason) => post(at("runs", run, "suspend"), { reason }),
  resume: (run) => post(at("runs", run, "resume")),
  retry: (run) => post(at("runs", run, "retry")),
  signal: (run, name, data) => post(at("runs", run, "signals", name), { data }),
  approvals: (fields, signal) => get(`/v1/approvals${query(fields)}`, signal),
  approval: (id, signal) => get(at("approvals", id), signal),
  decide: (id, decision) => post(at("approvals", id, "decide"), decision),
  claim: (id) => post(at("approvals", id, "claim")),
  release: (id) => post(at("approvals", id, "release")),
  delegate: (id, to, comment) => post(at("approvals", id, "delegate"), { to, comment }),
  comment: (id, text) => post(at("approvals", id, "comment"), { text }),
  workflows: (fields, signal) => get(`/v1/workflows${query(fields)}`, signal),
  workflow: (name, signal) => get(at("workflows", name), signal),
  version: (name, version, signal) => get(at("workflows", name, "versions", version), signal),
  check: (source) => post("/v1/workflows/check", { source }),
  register: (source) => post("/v1/workflows", { source }),
  activate: (name, version, etag) =>
    post(at("workflows", name, "activate"), { version }, etag ? { "if-match": etag } : undefined),
  plugins: (signal) => get("/v1/plugins", signal),
  plugin: (name, signal) => get(at("plugins", name), signal),
};

export const streams = { all: "/v1/events", run: (run) => `${at("runs", run, "events")}?tokens=true` };

// Whether an error only says that this server does not offer something.
export const isMissing = (error) =>
  error?.status === 501 || error?.status === 405 || (error?.status === 404 && error.code === "no-such-path");

const pause = (ms, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });

// Hears server-sent events until `signal` is aborted or `heard` gives false. `fetch` rather than EventSource, since
// that sends no Authorization. After a break it goes on behind the last event: nothing is missed, nothing comes twice.
// `after` is the id of the last event that is known already.
export async function follow(path, { signal, heard, after, state = () => {}, opened = () => {} }) {
  let last = after;
  let wait = WAIT_MIN_MS;
  while (!signal.aborted) {
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    signal.addEventListener("abort", stop, { once: true });
    let watchdog = setTimeout(stop, SILENCE_MAX_MS);
    const alive = () => (clearTimeout(watchdog), (watchdog = setTimeout(stop, SILENCE_MAX_MS)));
    try {
      const more = last === undefined ? {} : { "last-event-id": String(last) };
      const response = await fetch(path, { signal: attempt.signal, headers: headers({ accept: "text/event-stream", ...more }) });
      if (!response.ok) {
        const refused = await problem(response);
        if (refused.status < 500 && refused.status !== 429) {
          state("refused", refused);
          return;
        }
        throw refused;
      }
      state("live");
      opened(last === undefined);
      wait = WAIT_MIN_MS;
      for await (const event of read(response.body, alive)) {
        if (event.id !== undefined) last = event.id;
        if (heard(event) === false) return;
      }
    } catch (error) {
      if (signal.aborted) return;
    } finally {
      clearTimeout(watchdog);
      signal.removeEventListener("abort", stop);
      attempt.abort();
    }
    if (signal.aborted) return;
    state("away");
    await pause(wait, signal);
    wait = Math.min(wait * 2, WAIT_MAX_MS);
  }
}
