// What a plugin's two entries share. Every plugin has `log`, `clock` and `random` without a grant.

import clock from "pawl:plugin/clock@0.1.0";
import random from "pawl:plugin/random@0.1.0";
import * as log from "./log.js";
import { Failure, toHost } from "./failure.js";

// The same again in a replay: time from the journal, chance from the attempt's own sequence.
Date.now = () => clock.now();
Math.random = () => Number(random.next()) / 2 ** 64;
globalThis.console = { log: log.info, info: log.info, debug: log.debug, warn: log.warn, error: log.error };

/**
 * Runs a plugin's function. What it throws on purpose, a `Failure`, goes to the host; anything else
 * is a bug, and stops the plugin as a panic does.
 */
export function answer(run) {
  let result;
  try {
    result = run();
    if (typeof result?.then === "function") throw new TypeError("it is async; plugins are straight-line code");
    return JSON.stringify(result === undefined ? null : result);
  } catch (error) {
    if (error instanceof Failure) throw toHost(error);
    log.error(`panicked at ${place(error)}:\n${error}`);
    throw error;
  }
}

/** Where an error was thrown: `src/greeter.js:5:11`. */
function place(error) {
  const found = /\(?\/?([^()\s]+\.js:\d+:\d+)\)?/.exec(String(error?.stack));
  return found ? found[1] : "an unknown place";
}
