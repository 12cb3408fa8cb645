// What changes on the server, heard once for all pages.
import { follow, signedOut, streams } from "./api.js";
import { shared } from "./ui.js";
import { useEffect, useRef } from "./vendor/hooks.js";

// "starting", "live", or "away" while the server does not answer.
export const connection = shared("starting");

const listeners = new Set();
let stop;

const tell = (change) => {
  for (const listener of [...listeners]) listener(change);
};

export function begin() {
  stop?.abort();
  stop = new AbortController();
  const { signal } = stop;
  follow(streams.all, {
    signal,
    state: (state) => connection.set(state === "refused" ? "away" : state),
    // Before the stream was open, anything may have happened.
    opened: (isFirst) => isFirst && tell({ reset: true }),
    heard: ({ name, data }) => {
      if (name === "reset") tell({ reset: true });
      else if (name === "change") tell(data);
    },
  });
}

signedOut.listen((is) => is && stop?.abort());

// Hears changes in lots, so that many at once draw the page once. A lot is `{reset, changes}`.
export function useChanges(hear, everyMs = 200) {
  const latest = useRef(hear);
  latest.current = hear;
  useEffect(() => {
    let lot = { reset: false, changes: [] };
    let timer;
    const flush = () => {
      timer = undefined;
      const full = lot;
      lot = { reset: false, changes: [] };
      latest.current(full);
    };
    const listener = (change) => {
      if (change.reset) lot.reset = true;
      else lot.changes.push(change);
      timer ??= setTimeout(flush, everyMs);
    };
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      clearTimeout(timer);
    };
  }, [everyMs]);
}
