// Memory of the run, or of what the step's `memory` names. Needs `permissions.memory`, and the import in wit/world.wit.

import host from "pawl:plugin/memory@0.1.0";
import { ask } from "./failure.js";

/** The value under a key; `undefined` when there is none. */
export function get(key) {
  const value = ask(() => host.get(key));
  return value === null || value === undefined ? undefined : JSON.parse(value);
}

/** Keeps a value, in the same commit as the calls around it. */
export const put = (key, value) => ask(() => host.put(key, JSON.stringify(value)));
