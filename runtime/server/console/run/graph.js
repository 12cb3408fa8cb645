// The workflow as a picture, with where each step stands.
import { layout, Graph as Drawing } from "../vendor/dagre.js";
import { html, useMemo, useRef, useState } from "../ui.js";
import { line } from "../format.js";
import { Empty } from "../parts/small.js";
import { byStep, standing } from "./story.js";

// A drawing with more is too large to be laid out while somebody waits.
const NODES_MAX = 400;
const LETTER_PX = 7;
const SIZES = { step: [null, 42], start: [null, 28], end: [null, 28], joined: [14, 14] };

const strip = (id) => String(id).replace(/^step_/, "");

// From the server: `{nodes: [{id, kind, step, title, detail}], edges: [{from, to, label}]}`.
function normal(graph) {
  if (!graph?.nodes) return undefined;
  const nodes = graph.nodes.map((node) => {
    const kind = ["start", "end", "joined"].includes(node.kind) ? node.kind : "step";
    const step = node.step ?? (kind === "step" ? strip(node.id) : undefined);
    return { id: node.id, kind, step, title: { start: "start", end: "end", joined: "" }[kind] ?? step, detail: node.detail ?? "" };
  });
  return { nodes, edges: graph.edges ?? [] };
}

// Without a definition: the steps that were come to, in their order.
function walked(story) {
  const steps = [...byStep(story).keys()];
  const nodes = steps.map((step) => ({ id: `step_${step}`, kind: "step", step, title: step, detail: "" }));
  const edges = steps.slice(1).map((step, at) => ({ from: `step_${steps[at]}`, to: `step_${step}`, label: "" }));
  return { nodes, edges };
}

function laidOut({ nodes, edges }) {
  const drawing = new Drawing({ multigraph: true });
  drawing.setGraph({ rankdir: "TB", nodesep: 26, ranksep: 34, edgesep: 14, marginx: 12, marginy: 12 });
  drawing.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) {
    const [width, height] = SIZES[node.kind];
    const longest = Math.max(node.title.length + 3, Math.min(24, (node.detail ?? "").length));
    drawing.setNode(node.id, { ...node, width: width ?? Math.max(node.kind === "step" ? 116 : 60, longest * LETTER_PX + 24), height });
  }
  const known = new Set(nodes.map((node) => node.id));
  edges.forEach((edge, at) => {
    if (!known.has(edge.from) || !known.has(edge.to)) return;
    const label = line(edge.label, 26);
    drawing.setEdge(edge.from, edge.to, { ...edge, label, labelpos: "c", width: label ? label.length * 6 + 8 : 0, height: label ? 14 : 0 }, `e${at}`);
  });
  layout(drawing);
  const { width, height } = drawing.graph();
  return {
    width,
    height,
    nodes: drawing.nodes().map((id) => drawing.node(id)),
    edges: drawing.edges().map((edge) => ({ ...drawing.edge(edge), key: edge.name })),
  };
}

// Through the middle of each stretch, so that corners are round.
function curve(points) {
  if (!points?.length) return "";
  const [first, ...rest] = points;
  let path = `M${first.x},${first.y}`;
  rest.forEach((point, at) => {
    const next = rest[at + 1];
    path += next ? ` Q${point.x},${point.y} ${(point.x + next.x) / 2},${(point.y + next.y) / 2}` : ` L${point.x},${point.y}`;
  });
  return path;
}

function words(node, visits, status) {
  const many = visits?.length > 1 ? `, ${visits.length} times` : "";
  return `step ${node.title}${node.detail ? `, ${node.detail}` : ""}: ${status ?? "not reached"}${many}`;
}

function Node({ node, visits, story, chosen, choose }) {
  const { x, y, width, height } = node;
  if (node.kind === "joined") return html`<circle class="joint" cx=${x} cy=${y} r="5" />`;
  if (node.kind !== "step") {
    const reached = node.kind === "start" ? story?.started : story?.status === "completed";
    return html`<g class=${`terminal ${reached ? "is-reached" : ""}`}><rect x=${x - width / 2} y=${y - 12} width=${width} height="24" rx="12" /><text x=${x} y=${y + 4}>${node.title}</text></g>`;
  }
  const status = visits?.length ? standing(visits) : undefined;
  const pick = () => visits?.length && choose?.(visits[visits.length - 1].id);
  const press = (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), pick());
  const room = Math.floor((width - 20) / LETTER_PX);
  const held = visits?.[visits.length - 1];
  const detail = node.detail || [held?.kind, held?.work].filter(Boolean).join(" ");
  return html`
    <g class=${`node is-${status ?? "ahead"} ${chosen ? "is-chosen" : ""}`} role=${visits?.length && choose ? "button" : "img"} tabIndex=${visits?.length && choose ? 0 : undefined}
      data-step=${node.step} data-status=${status ?? "ahead"} aria-label=${words(node, visits, status)} onClick=${pick} onKeyDown=${press}>
      <rect x=${x - width / 2} y=${y - height / 2} width=${width} height=${height} rx="6" />
      <rect class="edge-mark" x=${x - width / 2} y=${y - height / 2} width="4" height=${height} rx="2" />
      <text x=${x - width / 2 + 13} y=${y + (detail ? -3 : 4)} class="node-title">${line(node.title, room)}</text>
      ${detail && html`<text x=${x - width / 2 + 13} y=${y + 12} class="node-detail">${line(detail, room)}</text>`}
      ${visits?.length > 1 && html`<text x=${x + width / 2 - 8} y=${y - 3} class="node-count">×${visits.length}</text>`}
    </g>`;
}

const ZOOMS = [0.5, 0.65, 0.8, 1, 1.25, 1.5];

// `story` may be absent: then it is the workflow alone.
export function Graph({ graph, story, turn, chosen, choose }) {
  const isWalked = !graph?.nodes;
  const steps = story ? byStep(story) : new Map();
  const shape = isWalked && story ? [...steps.keys()].join(" ") : "";
  const drawn = useMemo(() => {
    const found = normal(graph) ?? (story ? walked(story) : undefined);
    return found && found.nodes.length && found.nodes.length <= NODES_MAX ? laidOut(found) : undefined;
  }, [graph, shape]);
  const [zoom, setZoom] = useState(3);
  const box = useRef(null);
  if (graph === undefined) return html`<div class="graph"><${Empty}>loading</${Empty}></div>`;
  if (!drawn) return html`<div class="graph"><${Empty}>${graph || steps.size ? `More than ${NODES_MAX} steps: see the list.` : "No step was reached yet."}</${Empty}></div>`;
  const scale = ZOOMS[zoom];
  const ended = (id) => {
    const visits = steps.get(strip(id));
    return visits?.some((held) => held.status === "completed" || held.status === "skipped");
  };
  const reached = (id) => id === "run_start" || (id === "run_end" ? story?.status === "completed" : steps.has(strip(id)));
  return html`
    <figure class="graph" aria-label="graph of the workflow" data-turn=${turn}>
      <div class="graph-box" ref=${box} tabIndex="-1">
        <svg width=${drawn.width * scale} height=${drawn.height * scale} viewBox=${`0 0 ${drawn.width} ${drawn.height}`} role="group" aria-label="steps and ways between them">
          <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" /></marker></defs>
          ${drawn.edges.map((edge) => html`
            <g key=${edge.key} class=${`way ${reached(edge.to) && (edge.from === "run_start" || edge.from.startsWith("joined_") || ended(edge.from) || reached(edge.from)) ? "is-gone" : ""}`}>
              <path d=${curve(edge.points)} marker-end="url(#tip)" />
              ${edge.label && html`<text x=${edge.x} y=${edge.y + 4}><title>${edge.label}</title>${edge.label}</text>`}
            </g>`)}
          ${drawn.nodes.map((node) => html`<${Node} key=${node.id} node=${node} visits=${steps.get(node.step)} story=${story} chosen=${chosen === node.step} choose=${choose} />`)}
        </svg>
      </div>
      <div class="zoom" role="group" aria-label="size of the graph">
        <button type="button" class="plain small" aria-label="smaller" disabled=${zoom === 0} onClick=${() => setZoom(zoom - 1)}>−</button>
        <button type="button" class="plain small" aria-label="larger" disabled=${zoom === ZOOMS.length - 1} onClick=${() => setZoom(zoom + 1)}>+</button>
      </div>
    </figure>`;
}
