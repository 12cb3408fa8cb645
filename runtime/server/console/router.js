// Where in the console one is: the part of the address behind `#`, so that the server knows one page only.
import { shared, useShared } from "./ui.js";

function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  return { parts: parts.length ? parts : ["runs"], query: new URLSearchParams(query) };
}

const route = shared(read());
window.addEventListener("hashchange", () => route.set(read()));

export const useRoute = () => useShared(route);

export function address(parts, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given).toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

export function go(parts, query) {
  location.hash = address(parts, query);
}

// The same page with another query. Nothing to go back to: a filter is no place.
export function refine(query) {
  const { parts } = route.get();
  history.replaceState(null, "", address(parts, query));
  route.set(read());
}
