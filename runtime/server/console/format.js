// Values as people read them.

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
];

// `1.2 s`, `4 m 10 s`, `2 d 3 h`: two units at most.
export function duration(ms) {
  if (!Number.isFinite(ms)) return "";
  const whole = Math.max(0, ms);
  if (whole < 1000) return `${Math.round(whole)} ms`;
  if (whole < 10_000) return `${(whole / 1000).toFixed(1)} s`;
  const at = UNITS.findIndex(([, size]) => whole >= size);
  const [unit, size] = UNITS[at];
  const first = Math.floor(whole / size);
  const next = UNITS[at + 1];
  const second = next ? Math.floor((whole % size) / next[1]) : 0;
  return second ? `${first} ${unit} ${second} ${next[0]}` : `${first} ${unit}`;
}

// Instants come as RFC 3339, and within the console as milliseconds.
export const millis = (at) => (typeof at === "number" ? at : at ? Date.parse(at) : NaN);

// `3 m ago`, `in 2 h`.
export function relative(text, now = Date.now()) {
  const at = millis(text);
  if (Number.isNaN(at)) return "";
  const apart = at - now;
  if (Math.abs(apart) < 1500) return "now";
  const coarse = duration(Math.abs(apart) < 60_000 ? Math.round(Math.abs(apart) / 1000) * 1000 : Math.abs(apart));
  const short = coarse.replace(/\.0 /, " ");
  return apart < 0 ? `${short.split(" ").slice(0, 2).join(" ")} ago` : `in ${short}`;
}

const two = (number) => String(number).padStart(2, "0");

// `2026-11-30 14:05:09`, in the reader's own zone.
export function instant(when) {
  const at = new Date(millis(when));
  if (Number.isNaN(at.getTime())) return "";
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

// The end of an id tells it from its neighbours, since ids begin with the time.
export const shortId = (id) => (id && id.length > 12 ? `…${id.slice(-8)}` : id);

export const count = (number) => (number ?? 0).toLocaleString("en").replaceAll(",", "\u202f");

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

// Money is counted in millionths.
export const money = (millionths) => (millionths / 1e6).toFixed(millionths < 10_000 ? 6 : 4);

export function bytes(number) {
  if (!Number.isFinite(number)) return "";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let value = number;
  while (value >= 1024 && at < units.length - 1) (value /= 1024), (at += 1);
  return `${at ? value.toFixed(1) : value} ${units[at]}`;
}

export function line(value, max = 160) {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  const flat = text.slice(0, max * 4).replace(/\s+/g, " ").trim();
  return flat.length > max ? `${flat.slice(0, max - 1)}…` : flat;
}

// Payloads stand in events as `{inline: value}` or, where they are large, `{blob: digest}`.
export function payload(value) {
  if (value && typeof value === "object") {
    if ("inline" in value) return value.inline;
    if ("blob" in value) return `(kept apart: ${value.blob})`;
  }
  return value;
}

export const failure = (found) => (found ? `${found.kind}: ${found.message}` : "");
