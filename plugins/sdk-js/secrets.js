// Secrets that a tool may send and never sees. Needs `permissions.secrets`, and the import in wit/world.wit.

import host from "pawl:plugin/secrets@0.1.0";
import { ask } from "./failure.js";

/** A placeholder for a secret, to be put into the value of a header field; the host puts the secret in its place. */
export const get = (name) => ask(() => host.get(name));
