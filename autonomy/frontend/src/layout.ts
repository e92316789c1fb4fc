// Where everything of a picture stands: dagre lays out, what was moved by hand stays where it was put.
import dagre from "@dagrejs/dagre";

export interface State {
  key: string;
  word: string;
  icon: string;
}

export interface Box {
  id: string;
  kind: string;
  kind_word: string;
  icon: string;
  name: string;
  doer: string;
  notes: string[];
  is_start: boolean;
  lines?: string[];
  state?: State;
  href?: string;
}

export interface Line {
  source: string;
  target: string;
  way: string;
  label: string;
  mark?: string;
}

export interface Block {
  opener: string;
  join: string;
  kind: string;
  inside: string[];
}

export interface Drawing {
  boxes: Box[];
  lines: Line[];
  blocks: Block[];
  words: Record<string, string>;
  id?: string;
  current?: string;
  layout?: Layout;
}

export type Direction = "TB" | "LR";
export type Point = { x: number; y: number };

/** Where somebody put the boxes by hand; boxes without a place are laid out. */
export interface Layout {
  direction?: Direction;
  at?: Record<string, [number, number]>;
}

interface Text {
  text: string;
  role: "kind" | "name" | "doer" | "note" | "line" | "state";
  icon?: string;
  y: number;
}

export interface PlacedBox extends Point {
  box: Box;
  width: number;
  height: number;
  texts: Text[];
}

export interface PlacedLine {
  line: Line;
  points: Point[];
  label: string[];
  at: Point;
  width: number;
}

export interface Placed {
  boxes: Map<string, PlacedBox>;
  lines: PlacedLine[];
  blocks: { block: Block; x: number; y: number; width: number; height: number }[];
  width: number;
  height: number;
}

const WIDTH = 224;
export const PAD = 12;
const ROW = { kind: 16, name: 19, doer: 16, note: 15, line: 16, state: 20 };
const FONT = { name: "600 14px", other: "400 12px", state: "600 12px" };
const LABEL_WIDTH = 150;
export const LABEL_ROW = 15;
const MARGIN = 20;

const ruler = document.createElement("canvas").getContext("2d");
const family = (): string => getComputedStyle(document.body).fontFamily || "sans-serif";

/** Break a text into rows of a width; what is longer than `most` rows ends in an ellipsis. */
function wrapped(text: string, width: number, font: string, most: number): string[] {
  if (!ruler) return [text];
  ruler.font = `${font} ${family()}`;
  const fits = (row: string): boolean => ruler!.measureText(row).width <= width;
  const rows: string[] = [];
  let row = "";
  for (const word of text.split(/\s+/).filter(Boolean)) {
    let rest = word;
    while (!fits(rest)) {
      let length = rest.length - 1;
      while (length > 1 && !fits(rest.slice(0, length))) length -= 1;
      if (row) rows.push(row);
      row = "";
      rows.push(rest.slice(0, length));
      rest = rest.slice(length);
      if (rows.length > most) break;
    }
    if (row && !fits(`${row} ${rest}`)) {
      rows.push(row);
      row = rest;
    } else {
      row = row ? `${row} ${rest}` : rest;
    }
  }
  if (row) rows.push(row);
  if (rows.length <= most) return rows;
  const kept = rows.slice(0, most);
  kept[most - 1] = `${kept[most - 1]!.slice(0, -1).trimEnd()}…`;
  return kept;
}

function sized(box: Box): PlacedBox {
  const texts: Text[] = [];
  let y = PAD;
  const add = (text: string, role: Text["role"], most: number, icon?: string): void => {
    if (!text) return;
    const font = role === "name" ? FONT.name : role === "state" ? FONT.state : FONT.other;
    const inset = icon ? 20 : 0;
    wrapped(text, WIDTH - 2 * PAD - inset, font, most).forEach((row, at) => {
      texts.push({ text: row, role, y, icon: at === 0 ? icon : undefined });
      y += ROW[role];
    });
  };
  add(box.kind_word, "kind", 1, box.icon);
  y += 2;
  add(box.name, "name", 3);
  add(box.doer, "doer", 2);
  for (const note of box.notes.slice(0, 4)) add(note, "note", 2);
  if (box.state) {
    y += 4;
    add(box.state.word, "state", 1, box.state.icon);
  }
  for (const line of box.lines ?? []) add(line, "line", 2);
  return { box, width: WIDTH, height: y + PAD - 2, texts, x: 0, y: 0 };
}

/** Say whether the line from an opener to its join is told by what stands between them, or by another line. */
function isTold(line: Line, drawing: Drawing): boolean {
  if (line.way !== "closes") return false;
  const isBeside = (other: Line): boolean => other !== line && other.source === line.source && other.target === line.target;
  return (
    drawing.lines.some(isBeside) ||
    drawing.blocks.some((block) => block.opener === line.source && block.inside.length > 0)
  );
}

export function place(drawing: Drawing, direction: Direction, layout: Layout = {}): Placed {
  const boxes = new Map(drawing.boxes.map((box) => [box.id, sized(box)]));
  const shown = drawing.lines.filter(
    (line) => boxes.has(line.source) && boxes.has(line.target) && !isTold(line, drawing),
  );
  let laid: PlacedLine[];
  try {
    laid = arranged(boxes, shown, drawing.blocks, direction, true);
  } catch {
    laid = arranged(boxes, shown, drawing.blocks, direction, false);
  }
  const at = layout.direction === direction || !layout.direction ? (layout.at ?? {}) : {};
  const moved = new Set<string>();
  for (const [id, [x, y]] of Object.entries(at)) {
    const box = boxes.get(id);
    // What stands where it would stand by itself keeps the lines that go around other boxes.
    if (box && Math.hypot(box.x - x, box.y - y) > 2) {
      box.x = x;
      box.y = y;
      moved.add(id);
    }
  }
  const lines = laid.map((one) =>
    moved.has(one.line.source) || moved.has(one.line.target) ? straight(one, boxes, direction) : one,
  );
  return bounded(boxes, lines, drawing.blocks);
}

function arranged(
  boxes: Map<string, PlacedBox>,
  lines: Line[],
  blocks: Block[],
  direction: Direction,
  grouped: boolean,
): PlacedLine[] {
  const graph = new dagre.graphlib.Graph({ multigraph: true, compound: grouped });
  graph.setGraph({ rankdir: direction, nodesep: 36, ranksep: 48, edgesep: 16, marginx: MARGIN, marginy: MARGIN });
  for (const id of fromTheStart(boxes, lines)) {
    const box = boxes.get(id)!;
    graph.setNode(id, { width: box.width, height: box.height });
  }
  if (grouped) group(graph, blocks);
  const found: PlacedLine[] = lines.map((line, at) => {
    const label = line.label ? wrapped(line.label, LABEL_WIDTH, FONT.other, 3) : [];
    const isBack = line.way === "undoes";
    const width = label.length ? Math.max(...label.map(textWidth)) + 12 : 0;
    const facts = {
      width,
      height: label.length * LABEL_ROW + (label.length ? 6 : 0),
      labelpos: "c",
      weight: isBack ? 0 : line.way === "next" ? 2 : 1,
      minlen: 1,
    };
    graph.setEdge(isBack ? line.target : line.source, isBack ? line.source : line.target, facts, `e${at}`);
    return { line, points: [], label, at: { x: 0, y: 0 }, width };
  });
  dagre.layout(graph);
  for (const [id, box] of boxes) {
    const node = graph.node(id) as Point;
    box.x = node.x;
    box.y = node.y;
  }
  found.forEach((one, at) => {
    const isBack = one.line.way === "undoes";
    const ends = isBack ? [one.line.target, one.line.source] : [one.line.source, one.line.target];
    const edge = graph.edge(ends[0]!, ends[1]!, `e${at}`) as unknown as { points: Point[]; x: number; y: number };
    one.points = isBack ? [...edge.points].reverse() : edge.points;
    one.at = { x: edge.x ?? 0, y: edge.y ?? 0 };
  });
  return found;
}

/**
 * The boxes in the order in which work reaches them. Where lines go round, dagre turns one against its direction, and
 * which one follows from this order: so the start is first, and what leads back to it leads back.
 */
function fromTheStart(boxes: Map<string, PlacedBox>, lines: Line[]): Set<string> {
  const found = new Set<string>();
  const all = [...boxes.values()].map((one) => one.box);
  const starts = [...all.filter((box) => box.is_start), ...all].map((box) => box.id);
  for (const start of starts) {
    const open = [start];
    while (open.length) {
      const id = open.pop()!;
      if (found.has(id)) continue;
      found.add(id);
      const next = lines.filter((line) => line.source === id && line.way !== "undoes").map((line) => line.target);
      open.push(...next.reverse());
    }
  }
  return found;
}

function group(graph: { setNode: Function; setParent: Function }, blocks: Block[]): void {
  for (const block of blocks) {
    const name = `block ${block.opener}`;
    graph.setNode(name, {});
    for (const id of [block.opener, block.join, ...block.inside]) graph.setParent(id, name);
  }
  for (const block of blocks) {
    for (const inner of blocks) {
      if (block.inside.includes(inner.opener)) graph.setParent(`block ${inner.opener}`, `block ${block.opener}`);
    }
  }
  // What stands deepest belongs to the innermost block alone.
  for (const block of blocks) {
    for (const id of [block.opener, block.join, ...block.inside]) graph.setParent(id, `block ${block.opener}`);
  }
}

const textWidth = (text: string): number => {
  if (!ruler) return text.length * 7;
  ruler.font = `${FONT.other} ${family()}`;
  return ruler.measureText(text).width;
};

/** A line between boxes that were moved: from the nearest border to the nearest border. */
function straight(one: PlacedLine, boxes: Map<string, PlacedBox>, direction: Direction): PlacedLine {
  const from = boxes.get(one.line.source)!;
  const to = boxes.get(one.line.target)!;
  if (from === to) {
    const right = from.x + from.width / 2;
    const points = [
      { x: right, y: from.y - 10 },
      { x: right + 36, y: from.y - 10 },
      { x: right + 36, y: from.y + 10 },
      { x: right, y: from.y + 10 },
    ];
    return { ...one, points, at: { x: right + 40 + one.width / 2, y: from.y } };
  }
  const a = border(from, to);
  const b = border(to, from);
  const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  const isDown = direction === "TB";
  const bends = isDown ? [{ x: a.x, y: middle.y }, { x: b.x, y: middle.y }] : [{ x: middle.x, y: a.y }, { x: middle.x, y: b.y }];
  const isFar = isDown ? Math.abs(a.y - b.y) > 40 : Math.abs(a.x - b.x) > 40;
  return { ...one, points: isFar ? [a, ...bends, b] : [a, b], at: middle };
}

function border(box: PlacedBox, towards: Point): Point {
  const dx = towards.x - box.x;
  const dy = towards.y - box.y;
  const scale = Math.min(
    dx ? box.width / 2 / Math.abs(dx) : Number.POSITIVE_INFINITY,
    dy ? box.height / 2 / Math.abs(dy) : Number.POSITIVE_INFINITY,
  );
  return Number.isFinite(scale) ? { x: box.x + dx * scale, y: box.y + dy * scale } : { x: box.x, y: box.y };
}

function bounded(boxes: Map<string, PlacedBox>, lines: PlacedLine[], blocks: Block[]): Placed {
  const frames = [];
  for (const block of blocks) {
    const parts = [block.opener, block.join, ...block.inside].map((id) => boxes.get(id)).filter((one) => !!one);
    if (!parts.length) continue;
    const room = 12;
    const left = Math.min(...parts.map((one) => one.x - one.width / 2)) - room;
    const top = Math.min(...parts.map((one) => one.y - one.height / 2)) - room;
    const right = Math.max(...parts.map((one) => one.x + one.width / 2)) + room;
    const bottom = Math.max(...parts.map((one) => one.y + one.height / 2)) + room;
    frames.push({ block, x: left, y: top, width: right - left, height: bottom - top });
  }
  const xs = [...boxes.values()].flatMap((one) => [one.x - one.width / 2, one.x + one.width / 2]);
  const ys = [...boxes.values()].flatMap((one) => [one.y - one.height / 2, one.y + one.height / 2]);
  for (const one of lines) {
    xs.push(...one.points.map((point) => point.x), one.at.x + one.width / 2, one.at.x - one.width / 2);
    ys.push(...one.points.map((point) => point.y));
  }
  for (const frame of frames) {
    xs.push(frame.x, frame.x + frame.width);
    ys.push(frame.y, frame.y + frame.height);
  }
  const left = Math.min(0, ...xs.map((x) => x - MARGIN));
  const top = Math.min(0, ...ys.map((y) => y - MARGIN));
  if (left < 0 || top < 0) shift(boxes, lines, frames, -left, -top);
  return {
    boxes,
    lines,
    blocks: frames,
    width: Math.ceil(Math.max(0, ...xs) - left + MARGIN),
    height: Math.ceil(Math.max(0, ...ys) - top + MARGIN),
  };
}

function shift(boxes: Map<string, PlacedBox>, lines: PlacedLine[], frames: Point[], x: number, y: number): void {
  const by = (point: Point): void => {
    point.x += x;
    point.y += y;
  };
  boxes.forEach(by);
  frames.forEach(by);
  for (const one of lines) {
    one.points = one.points.map((point) => ({ x: point.x + x, y: point.y + y }));
    one.at = { x: one.at.x + x, y: one.at.y + y };
  }
}
