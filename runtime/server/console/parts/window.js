// A long list of which only what can be seen is drawn. Rows have one height, which the style sheet says as `--row`.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../ui.js";

// Rows beyond the edges, so that a quick scroll finds them drawn.
const BEYOND = 8;

// `row(item, index)` draws a row; `near` is called when the end comes near. Where `stick` holds and the reader is at
// the end, the list stays there as it grows.
export function Window({ items, row, near, label, stick = false, role = "list", class: name = "", show }) {
  const box = useRef(null);
  const [view, setView] = useState({ top: 0, height: 600, size: 40 });
  const atEnd = useRef(true);
  const lastTop = useRef(0);

  const measure = () => {
    const node = box.current;
    if (!node) return;
    const size = Number.parseFloat(getComputedStyle(node).getPropertyValue("--row")) || 40;
    // Rows may have come since the list was moved to its end: only who scrolls up leaves it.
    if (node.scrollTop + node.clientHeight >= node.scrollHeight - size) atEnd.current = true;
    else if (node.scrollTop < lastTop.current) atEnd.current = false;
    lastTop.current = node.scrollTop;
    setView((old) =>
      old.top === node.scrollTop && old.height === node.clientHeight && old.size === size
        ? old
        : { top: node.scrollTop, height: node.clientHeight, size });
  };
  useLayoutEffect(() => {
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);

  const { top, height, size } = view;
  const first = Math.max(0, Math.floor(top / size) - BEYOND);
  const last = Math.min(items.length, Math.ceil((top + height) / size) + BEYOND);
  useEffect(() => {
    if (near && last >= items.length - BEYOND) near();
  }, [last, items.length, near]);
  useLayoutEffect(() => {
    if (stick && atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [items.length, stick]);
  // The row with this number is brought into view when it changes.
  useLayoutEffect(() => {
    const node = box.current;
    if (show === undefined || show < 0 || !node) return;
    const at = show * size;
    if (at < node.scrollTop) node.scrollTop = at;
    else if (at + size > node.scrollTop + node.clientHeight) node.scrollTop = at + size - node.clientHeight;
  }, [show]);

  const rows = items.slice(first, last).map((item, at) => row(item, first + at));
  return html`
    <div class=${`window ${name}`} ref=${box} onScroll=${measure} tabIndex="-1">
      <div class="window-all" style=${{ height: `${items.length * size}px` }}>
        <div class="window-seen" role=${role} aria-label=${label} style=${{ transform: `translateY(${first * size}px)` }}>${rows}</div>
      </div>
    </div>`;
}
