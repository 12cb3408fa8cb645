// Why something did not give a result. Choose the kind by who can act: a workflow retries what is
// transient, and nothing else by itself.

/** @typedef {"invalid-input" | "transient" | "permanent" | "denied"} FailureKind */

/** What a plugin throws, and what its calls of the host throw. */
export class Failure extends Error {
  /**
   * @param {FailureKind} kind who can act on it
   * @param {string} message what happened and what to do next, in one sentence
   * @param {{ details?: unknown, retryAfterMs?: number }} [more] anything a program can use, and the
   *   earliest time from now at which a retry makes sense
   */
  constructor(kind, message, more = {}) {
    super(message);
    this.name = "Failure";
    this.kind = kind;
    this.details = more.details;
    this.retryAfterMs = more.retryAfterMs;
  }
}

/** The request is wrong; the same request will fail again. */
export const invalidInput = (message, more) => new Failure("invalid-input", message, more);
/** Passing trouble; the same request may succeed later. */
export const transient = (message, more) => new Failure("transient", message, more);
/** The request is right but cannot be carried out. */
export const permanent = (message, more) => new Failure("permanent", message, more);
/** The request is not allowed. */
export const denied = (message, more) => new Failure("denied", message, more);

/** A failure as it crosses to the host. */
export function toHost(failure) {
  return {
    kind: failure.kind,
    message: failure.message,
    details: failure.details === undefined ? null : JSON.stringify(failure.details),
    retryAfterMs: failure.retryAfterMs === undefined ? null : failure.retryAfterMs,
  };
}

/** A failure as the host gives it; anything else is passed on as it is. */
export function fromHost(error) {
  const told = error?.payload ?? error;
  if (typeof told?.kind !== "string") return error;
  return new Failure(told.kind, told.message, {
    details: told.details ? JSON.parse(told.details) : undefined,
    retryAfterMs: told.retryAfterMs ?? undefined,
  });
}

/** Calls the host; what it answers with is a value or a `Failure`. */
export function ask(call) {
  try {
    return call();
  } catch (error) {
    throw fromHost(error);
  }
}
