// A workflow as SVG: links and text are drawn by hand, so keyboard, screen reader and print work.
import { LABEL_ROW, PAD, type Placed, type PlacedBox, type PlacedLine, type Point } from "./layout";

const SVG = "http://www.w3.org/2000/svg";

export function element<K extends keyof SVGElementTagNameMap>(
  name: K,
  facts: Record<string, string | number> = {},
  ...children: (Node | string)[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(facts)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

let drawn = 0;

/** Return the picture as an SVG; every box is a link with its whole text as its name. */
export function draw(placed: Placed, words: Record<string, string>, selected = ""): SVGSVGElement {
  drawn += 1;
  const arrow = `graph-arrow-${drawn}`;
  const marker = element(
    "marker",
    { id: arrow, viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 11, markerHeight: 11, markerUnits: "userSpaceOnUse", orient: "auto-start-reverse" },
    element("path", { d: "M0 0L10 5L0 10z", class: "graph-arrow" }),
  );
  const svg = element(
    "svg",
    {
      class: "graph-svg",
      viewBox: `0 0 ${placed.width} ${placed.height}`,
      width: placed.width,
      height: placed.height,
      role: "group",
      "aria-label": words.picture ?? "",
    },
    element("defs", {}, marker),
  );
  for (const frame of placed.blocks) {
    svg.append(
      element("rect", {
        class: "graph-block",
        "data-kind": frame.block.kind,
        x: frame.x,
        y: frame.y,
        width: frame.width,
        height: frame.height,
        rx: 16,
      }),
    );
  }
  for (const one of placed.lines) svg.append(drawnLine(one, arrow));
  for (const one of placed.boxes.values()) svg.append(drawnBox(one, words, selected));
  return svg;
}

export function path(points: Point[]): string {
  const [first, ...rest] = points;
  if (!first) return "";
  if (rest.length === 1) return `M${first.x} ${first.y}L${rest[0]!.x} ${rest[0]!.y}`;
  let d = `M${first.x} ${first.y}`;
  for (let at = 0; at < rest.length - 1; at += 1) {
    const here = rest[at]!;
    const next = rest[at + 1]!;
    const end = at === rest.length - 2 ? next : { x: (here.x + next.x) / 2, y: (here.y + next.y) / 2 };
    d += `Q${here.x} ${here.y} ${end.x} ${end.y}`;
  }
  return d;
}

function drawnLine(one: PlacedLine, arrow: string): SVGGElement {
  const group = element("g", {
    class: "graph-line",
    "data-way": one.line.way,
    "data-source": one.line.source,
    "data-target": one.line.target,
    "data-mark": one.line.mark ?? "",
    "aria-hidden": "true",
  });
  group.append(element("path", { d: path(one.points), "marker-end": `url(#${arrow})` }));
  if (one.label.length) {
    const height = one.label.length * LABEL_ROW + 4;
    const top = one.at.y - height / 2;
    group.append(
      element("rect", { x: one.at.x - one.width / 2, y: top, width: one.width, height, rx: 5, class: "graph-label" }),
    );
    one.label.forEach((row, at) => {
      group.append(
        element("text", { x: one.at.x, y: top + 14 + at * LABEL_ROW, "text-anchor": "middle", class: "graph-small" }, row),
      );
    });
  }
  return group;
}

function drawnBox(one: PlacedBox, words: Record<string, string>, selected: string): SVGAElement {
  const { box } = one;
  const said = [box.name, box.kind_word, box.doer, ...box.notes, box.state?.word ?? "", ...(box.lines ?? [])];
  if (box.is_start) said.unshift(words.start ?? "");
  const name = said.filter(Boolean).join(", ");
  const link = element("a", {
    class: "graph-box",
    href: box.href ?? `#node-${box.id}`,
    "data-node": box.id,
    "data-kind": box.kind,
    "data-state": box.state?.key ?? "",
    "aria-label": name,
    transform: `translate(${one.x - one.width / 2} ${one.y - one.height / 2})`,
  });
  if (selected === box.id) link.setAttribute("aria-current", "true");
  link.append(
    element("title", {}, name),
    element("rect", { class: "graph-frame", width: one.width, height: one.height, rx: box.kind === "end" ? 22 : 10 }),
  );
  if (box.is_start) link.append(element("circle", { class: "graph-start", cx: one.width - 16, cy: 18, r: 5 }));
  for (const text of one.texts) {
    if (text.icon) {
      link.append(
        element("text", { class: "graph-icon", x: PAD, y: text.y + 14, "aria-hidden": "true", "data-role": text.role }, text.icon),
      );
    }
    const inset = text.role === "kind" || (text.role === "state" && text.icon) ? 20 : 0;
    link.append(element("text", { class: `graph-${text.role}`, x: PAD + inset, y: text.y + 12 }, text.text));
  }
  return link;
}

/** A small picture of the whole with a frame around what is in sight; a click goes there. */
export function overview(placed: Placed, view: HTMLElement, scale: () => number, word: string): SVGSVGElement {
  const width = 168;
  const height = Math.min(168, Math.max(40, (width * placed.height) / placed.width));
  const svg = element("svg", {
    class: "graph-overview",
    viewBox: `0 0 ${placed.width} ${placed.height}`,
    width,
    height,
    preserveAspectRatio: "xMidYMid meet",
    "aria-hidden": "true",
  });
  svg.append(element("title", {}, word));
  for (const one of placed.boxes.values()) {
    svg.append(
      element("rect", {
        class: "graph-frame",
        "data-state": one.box.state?.key ?? "",
        x: one.x - one.width / 2,
        y: one.y - one.height / 2,
        width: one.width,
        height: one.height,
      }),
    );
  }
  const sight = element("rect", { class: "graph-sight" });
  svg.append(sight);
  const show = (): void => {
    const by = scale();
    sight.setAttribute("x", String(view.scrollLeft / by));
    sight.setAttribute("y", String(view.scrollTop / by));
    sight.setAttribute("width", String(view.clientWidth / by));
    sight.setAttribute("height", String(view.clientHeight / by));
  };
  view.addEventListener("scroll", show, { passive: true });
  svg.addEventListener("click", (event) => {
    const matrix = svg.getScreenCTM();
    if (!matrix) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    view.scrollTo({ left: at.x * scale() - view.clientWidth / 2, top: at.y * scale() - view.clientHeight / 2 });
  });
  window.requestAnimationFrame(show);
  return svg;
}
