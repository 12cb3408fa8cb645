// The logic: plain functions that call nothing of the host, so that `npm test` can run them.

import { permanent } from "./pawl/failure.js";

/** Greets someone; the second argument is the call's context, with its idempotency key. */
export function greet({ name }) {
  const who = name.trim();
  if (who === "") throw permanent("there is nobody to greet; give a name");
  return { text: `Good morning, ${who}.` };
}
