// The picture that can be changed: choose, move, connect, by pointer and by keyboard.
import { draw, element, path } from "../drawing";
import { type Direction, type Drawing, type Layout, place, type Placed } from "../layout";

export interface Deeds {
  choose(node: string, byKeyboard: boolean): void;
  remove(node: string): void;
  connect(source: string, target: string): void;
  moved(layout: Layout): void;
}

const FAR_ENOUGH = 5;
const STEP = 16;

export class Picture {
  direction: Direction = "TB";
  private placed: Placed | null = null;
  private drawing: Drawing | null = null;
  private isDragged = false;

  constructor(
    private readonly view: HTMLElement,
    private readonly deeds: Deeds,
    private readonly handleWord: string,
  ) {
    view.addEventListener("dragstart", (event) => event.preventDefault());
    view.addEventListener("click", (event) => this.clicked(event), true);
    view.addEventListener("keydown", (event) => this.pressed(event));
    view.addEventListener("pointerdown", (event) => this.grabbed(event));
  }

  show(drawing: Drawing, layout: Layout, selected: string): void {
    const focused = (document.activeElement as Element | null)?.closest("a.graph-box");
    const held = focused && this.view.contains(focused) ? focused.getAttribute("data-node") : null;
    this.drawing = drawing;
    this.placed = place(drawing, this.direction, layout);
    const svg = draw(this.placed, drawing.words, selected);
    for (const link of svg.querySelectorAll<SVGAElement>("a.graph-box")) this.addHandle(link);
    const { scrollLeft, scrollTop } = this.view;
    this.view.replaceChildren(svg);
    this.view.scrollTo(scrollLeft, scrollTop);
    if (held) this.focus(held);
  }

  /** Bring a step into sight and give it the focus. */
  focus(node: string): void {
    const link = this.view.querySelector<SVGAElement>(`a.graph-box[data-node="${CSS.escape(node)}"]`);
    link?.focus({ preventScroll: true });
    this.reveal(node);
  }

  reveal(node: string): void {
    const box = this.placed?.boxes.get(node);
    if (!box) return;
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.view;
    const isSeen =
      box.x - box.width / 2 >= scrollLeft && box.x + box.width / 2 <= scrollLeft + clientWidth &&
      box.y - box.height / 2 >= scrollTop && box.y + box.height / 2 <= scrollTop + clientHeight;
    if (!isSeen) this.view.scrollTo(box.x - clientWidth / 2, box.y - clientHeight / 2);
  }

  /** Return where everything stands now, so that the next drawing leaves it there. */
  frozen(): Layout {
    const at: Record<string, [number, number]> = {};
    for (const [id, box] of this.placed?.boxes ?? []) {
      if (box.box.kind !== "missing") at[id] = [Math.round(box.x), Math.round(box.y)];
    }
    return { direction: this.direction, at };
  }

  private addHandle(link: SVGAElement): void {
    const { node, kind } = link.dataset;
    const box = this.placed?.boxes.get(node ?? "");
    if (!box || kind === "end" || kind === "missing") return;
    const isDown = this.direction === "TB";
    const at = isDown ? { x: box.width / 2, y: box.height } : { x: box.width, y: box.height / 2 };
    const handle = element(
      "g",
      { class: "editor-handle", transform: `translate(${at.x} ${at.y})`, "aria-hidden": "true" },
      element("title", {}, this.handleWord),
      element("circle", { class: "editor-handle-area", r: 14 }),
      element("circle", { class: "editor-handle-dot", r: 7 }),
    );
    link.append(handle);
  }

  private clicked(event: MouseEvent): void {
    const link = (event.target as Element).closest<SVGAElement>("a.graph-box");
    if (!link) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.isDragged) {
      this.isDragged = false;
      return;
    }
    if (link.dataset.kind !== "missing") this.deeds.choose(link.dataset.node ?? "", event.detail === 0);
  }

  private pressed(event: KeyboardEvent): void {
    const link = (event.target as Element).closest<SVGAElement>("a.graph-box");
    const node = link?.dataset.node;
    if (!node || link.dataset.kind === "missing") return;
    if (event.key === "Delete" && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.deeds.remove(node);
      return;
    }
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by || !event.altKey) return;
    event.preventDefault();
    const layout = this.frozen();
    const [x, y] = layout.at![node]!;
    layout.at![node] = [x + by[0]! * STEP, y + by[1]! * STEP];
    this.deeds.moved(layout);
  }

  private grabbed(event: PointerEvent): void {
    const target = event.target as Element;
    const link = target.closest<SVGAElement>("a.graph-box");
    const box = this.placed?.boxes.get(link?.dataset.node ?? "");
    if (!link || !box || event.button !== 0 || link.dataset.kind === "missing") return;
    if (target.closest(".editor-handle")) this.drawWay(event, link);
    else if (event.pointerType !== "touch") this.drag(event, link);
  }

  private drag(event: PointerEvent, link: SVGAElement): void {
    const node = link.dataset.node!;
    const box = this.placed!.boxes.get(node)!;
    const from = this.point(event);
    const start = { x: box.x, y: box.y };
    let isFar = false;
    const move = (moved: PointerEvent): void => {
      const to = this.point(moved);
      isFar ||= Math.hypot(to.x - from.x, to.y - from.y) > FAR_ENOUGH;
      if (!isFar) return;
      box.x = start.x + to.x - from.x;
      box.y = start.y + to.y - from.y;
      link.setAttribute("transform", `translate(${box.x - box.width / 2} ${box.y - box.height / 2})`);
    };
    this.follow(event, move, () => {
      if (!isFar) return;
      this.isDragged = true;
      window.setTimeout(() => { this.isDragged = false; });
      this.deeds.moved(this.frozen());
    });
  }

  private drawWay(event: PointerEvent, link: SVGAElement): void {
    event.preventDefault();
    const source = link.dataset.node!;
    const box = this.placed!.boxes.get(source)!;
    const isDown = this.direction === "TB";
    const from = isDown ? { x: box.x, y: box.y + box.height / 2 } : { x: box.x + box.width / 2, y: box.y };
    const trail = element("path", { class: "editor-trail" });
    this.view.querySelector("svg")?.append(trail);
    const move = (moved: PointerEvent): void => trail.setAttribute("d", path([from, this.point(moved)]));
    this.follow(event, move, (last) => {
      trail.remove();
      this.isDragged = true;
      window.setTimeout(() => { this.isDragged = false; });
      const target = document.elementFromPoint(last.clientX, last.clientY)?.closest<SVGAElement>("a.graph-box");
      if (target?.dataset.node && target.dataset.kind !== "missing") this.deeds.connect(source, target.dataset.node);
    });
  }

  private follow(start: PointerEvent, move: (event: PointerEvent) => void, end: (event: PointerEvent) => void): void {
    const isOurs = (event: PointerEvent): boolean => event.pointerId === start.pointerId;
    const moved = (event: PointerEvent): void => { if (isOurs(event)) move(event); };
    const ended = (event: PointerEvent): void => {
      if (!isOurs(event)) return;
      window.removeEventListener("pointermove", moved);
      window.removeEventListener("pointerup", ended);
      window.removeEventListener("pointercancel", ended);
      end(event);
    };
    window.addEventListener("pointermove", moved);
    window.addEventListener("pointerup", ended);
    window.addEventListener("pointercancel", ended);
  }

  private point(event: PointerEvent): { x: number; y: number } {
    const matrix = this.view.querySelector<SVGSVGElement>("svg")?.getScreenCTM();
    if (!matrix) return { x: event.clientX, y: event.clientY };
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    return { x, y };
  }

  get isEmpty(): boolean {
    return !this.drawing || this.drawing.boxes.length === 0;
  }
}
