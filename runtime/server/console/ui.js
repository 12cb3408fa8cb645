// What every part of the console is written with. `html` makes elements from texts with values in them; values are
// text and never markup.
import { h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { Component, render } from "./vendor/preact.js";
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
export const html = htm.bind(h);

import { useEffect, useState } from "./vendor/hooks.js";

// A value that parts of the page share. Whoever uses it is drawn again when it changes.
export function shared(first) {
  let value = first;
  const heard = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const tell of [...heard]) tell(value);
    },
    listen(tell) {
      heard.add(tell);
      return () => heard.delete(tell);
    },
  };
}

export function useShared(source) {
  const [value, set] = useState(source.get());
  useEffect(() => {
    set(source.get());
    return source.listen(set);
  }, [source]);
  return value;
}

// What `load` gives, with how far it is. It is loaded again when one of `keys` changes or `again` is called.
export function useLoaded(load, keys) {
  const [state, set] = useState({ data: undefined, error: undefined, busy: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    set((before) => ({ ...before, busy: true }));
    load(stop.signal).then(
      (data) => stop.signal.aborted || set({ data, error: undefined, busy: false }),
      (error) => stop.signal.aborted || set((before) => ({ data: before.data, error, busy: false })),
    );
    return () => stop.abort();
  }, [...keys, turn]);
  return { ...state, again: () => setTurn((now) => now + 1) };
}

// The time now, told again every so often: for ages and countdowns.
export function useNow(everyMs = 1000) {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function classes(...names) {
  return names.filter(Boolean).join(" ");
}

// Tells what happened to people who cannot see it.
export const announced = shared("");
export const announce = (text) => {
  announced.set("");
  setTimeout(() => announced.set(text), 30);
};
