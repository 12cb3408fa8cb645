// Durable pauses. Needs `permissions.timers`, and the import in wit/world.wit.

import host from "pawl:plugin/timers@0.1.0";
import { ask } from "./failure.js";

/** Waits; survives restarts and costs nothing meanwhile. */
export const sleep = (milliseconds) => ask(() => host.sleep(milliseconds));
