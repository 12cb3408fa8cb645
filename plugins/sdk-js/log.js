// Lines in the run's record. Always granted; lines beyond the attempt's limit are dropped.

import host from "pawl:plugin/log@0.1.0";

const text = (words) => words.map((word) => (typeof word === "string" ? word : JSON.stringify(word))).join(" ");

/** For the plugin's author. */
export const debug = (...words) => host.write("debug", text(words));
/** For whoever reads the run. */
export const info = (...words) => host.write("info", text(words));
/** About something odd. */
export const warn = (...words) => host.write("warn", text(words));
/** About something that failed. */
export const error = (...words) => host.write("error", text(words));
