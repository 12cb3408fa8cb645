// How a run or a step stands: a shape, a word and a colour, so that none of them has to be seen.
import { html } from "../ui.js";

const PATHS = {
  pending: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11",
  running: "M5 3.2v9.6L13 8z",
  waiting: "M4.2 3h2.6v10H4.2zM9.2 3h2.6v10H9.2z",
  suspended: "M3.5 3.5h9v9h-9z",
  completed: "M3 8.4l3.3 3.3L13 4.6",
  failed: "M4 4l8 8M12 4l-8 8",
  cancelled: "M3.5 8h9",
  skipped: "M3 4l4.5 4L3 12M8.5 4L13 8l-4.5 4",
  unknown: "M5.5 5.5a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.1.9-1.1 1.7M8 12.2v.3",
};
const FILLED = new Set(["running", "waiting", "suspended"]);

export const Glyph = ({ status }) => html`
  <svg class=${`glyph is-${status}`} viewBox="0 0 16 16" aria-hidden="true">
    <path d=${PATHS[status] ?? PATHS.pending} class=${FILLED.has(status) ? "full" : "line"} />
  </svg>`;

export const Status = ({ status }) => html`<span class=${`status is-${status}`}><${Glyph} status=${status} />${status}</span>`;

export const STATUSES = ["pending", "running", "waiting", "suspended", "completed", "failed", "cancelled"];
