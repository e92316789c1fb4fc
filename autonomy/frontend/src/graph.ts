// Read-only pictures of workflows and runs: wherever the page has one, drawn anew when the page reads itself again.
import { button } from "./buttons";
import { draw, overview } from "./drawing";
import { type Direction, type Drawing, place, type Placed } from "./layout";
import { all, one } from "./page";

const MANY = 40;
// Smaller than this its words cannot be read: then it is scrolled.
const LEAST_SCALE = 0.75;

/** What a person chose, kept while a live page replaces its parts. */
interface Choice {
  direction: Direction;
  isFull: boolean;
  states: Set<string>;
  left: number;
  top: number;
  isNew: boolean;
  /** Whether the direction is settled: by somebody, by its layout, or by the room there is. */
  isSettled: boolean;
}

const choices = new Map<string, Choice>();

function chosen(key: string, drawing: Drawing): Choice {
  let found = choices.get(key);
  if (!found) {
    const isSmall = window.matchMedia("(max-width: 48rem)").matches;
    const direction = drawing.layout?.direction ?? (drawing.boxes.length > 6 || isSmall ? "TB" : "LR");
    const isSettled = Boolean(drawing.layout?.direction) || direction === "TB";
    found = { direction, isFull: false, states: new Set(), left: 0, top: 0, isNew: true, isSettled };
    choices.set(key, found);
  }
  return found;
}

/** Draw one picture into its place. */
function show(root: HTMLElement): void {
  const data = one("[data-graph-data]", root)?.textContent;
  if (!data) return;
  const drawing = JSON.parse(data) as Drawing;
  const choice = chosen(root.dataset.graph ?? "", drawing);
  const { words } = drawing;
  root.dataset.drawn = "";
  for (const old of all("[data-graph-instead], .graph-bar, .graph-stage", root)) old.remove();

  const bar = document.createElement("div");
  bar.className = "graph-bar";
  const stage = document.createElement("div");
  stage.className = "graph-stage";
  const view = document.createElement("div");
  view.className = "graph-view";
  view.tabIndex = 0;
  view.setAttribute("role", "region");
  view.setAttribute("aria-label", words.picture ?? "");
  stage.append(view);
  // A live page does not read itself anew under the focus: a pointer leaves none behind.
  view.addEventListener("mousedown", (event) => {
    if (!(event.target as Element).closest("a[href]")) event.preventDefault();
  });
  bar.addEventListener("click", (event) => {
    if (event.detail > 0) (document.activeElement as HTMLElement | null)?.blur();
  });
  root.append(bar, stage);

  let placed: Placed;
  let scale = 1;

  const paint = (): void => {
    placed = place(drawing, choice.direction, drawing.layout);
    const svg = draw(placed, words);
    for (const link of all("a.graph-box", svg)) leadOn(link as Element as SVGAElement);
    view.replaceChildren(svg);
    one(".graph-overview", stage)?.remove();
    if (drawing.boxes.length > MANY) stage.append(overview(placed, view, () => scale, words.map ?? ""));
    resize();
    dim();
  };
  const resize = (): void => {
    const room = view.clientWidth - 2;
    scale = choice.isFull ? 1 : Math.max(LEAST_SCALE, Math.min(1, room / placed.width));
    const svg = one<SVGSVGElement>("svg", view)!;
    svg.setAttribute("width", String(Math.round(placed.width * scale)));
    svg.setAttribute("height", String(Math.round(placed.height * scale)));
  };
  const toCurrent = (isSmooth: boolean): void => {
    const first = drawing.boxes.find((one) => one.is_start)?.id;
    const box = placed.boxes.get(drawing.current || first || "");
    if (!box) return;
    const behavior = isSmooth && !window.matchMedia("(prefers-reduced-motion: reduce)").matches ? "smooth" : "auto";
    const top = box.y * scale - view.clientHeight / 2;
    view.scrollTo({ left: box.x * scale - view.clientWidth / 2, top, behavior });
  };
  const dim = (): void => {
    for (const link of all<HTMLElement>("a.graph-box", view)) {
      const isHidden = choice.states.size > 0 && !choice.states.has(link.dataset.state ?? "");
      link.toggleAttribute("data-dim", isHidden);
    }
  };

  const directions = ([["LR", words.across, "arrow_forward"], ["TB", words.down, "arrow_downward"]] as const).map(
    ([direction, word, icon]) => {
      const made = button(word ?? "", icon, choice.direction === direction);
      made.dataset.direction = direction;
      made.addEventListener("click", () => turn(direction));
      return made;
    },
  );
  const turn = (direction: Direction): void => {
    choice.direction = direction;
    choice.isSettled = true;
    for (const other of directions) other.setAttribute("aria-pressed", String(other.dataset.direction === direction));
    paint();
    toCurrent(false);
  };
  // From left to right where that can be read as it is; a tab that is hidden has no width yet.
  const settle = (): void => {
    if (choice.isSettled || !view.clientWidth) return;
    choice.isSettled = true;
    if (placed.width * LEAST_SCALE > view.clientWidth) turn("TB");
  };
  const full = button(words.full ?? "", "zoom_in", choice.isFull);
  full.addEventListener("click", () => {
    choice.isFull = !choice.isFull;
    full.setAttribute("aria-pressed", String(choice.isFull));
    resize();
    toCurrent(false);
  });
  bar.append(...directions, full);
  if (drawing.current) {
    const now = button(words.current ?? "", "my_location");
    now.addEventListener("click", () => toCurrent(true));
    bar.append(now);
  }
  bar.append(...filters(drawing, choice, dim));
  paint();
  settle();
  if (choice.isNew) toCurrent(false);
  else view.scrollTo(choice.left, choice.top);
  choice.isNew = false;
  view.addEventListener(
    "scroll",
    () => {
      choice.left = view.scrollLeft;
      choice.top = view.scrollTop;
    },
    { passive: true },
  );
  new ResizeObserver(() => {
    if (!view.clientWidth) return;
    settle();
    resize();
  }).observe(view);
}

/** One button for each state there is: pressed ones stay in sight, the others step back. */
function filters(drawing: Drawing, choice: Choice, dim: () => void): HTMLElement[] {
  const counts = new Map<string, { word: string; icon: string; count: number }>();
  for (const { state } of drawing.boxes) {
    if (!state) continue;
    const known = counts.get(state.key) ?? { ...state, count: 0 };
    known.count += 1;
    counts.set(state.key, known);
  }
  if (counts.size < 2) return [];
  const group = document.createElement("div");
  group.className = "graph-filters";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", drawing.words.show ?? "");
  for (const [key, state] of counts) {
    const made = button(`${state.word} ${state.count}`, state.icon, choice.states.has(key));
    made.dataset.state = key;
    made.addEventListener("click", () => {
      const isOn = !choice.states.has(key);
      if (isOn) choice.states.add(key);
      else choice.states.delete(key);
      made.setAttribute("aria-pressed", String(isOn));
      dim();
    });
    group.append(made);
  }
  return [group];
}

/** A box leads to the row that says more; one without a row is no link. */
function leadOn(link: SVGAElement): void {
  const target = link.getAttribute("href") ?? "";
  if (target.startsWith("#") && !document.getElementById(target.slice(1))) {
    link.removeAttribute("href");
    link.setAttribute("role", "img");
    return;
  }
  link.addEventListener("click", () => {
    const row = document.getElementById(target.slice(1));
    if (!row) return;
    if (!row.hasAttribute("tabindex")) row.tabIndex = -1;
    window.setTimeout(() => row.focus());
  });
}

function showAll(): void {
  for (const root of all("[data-graph]:not([data-drawn])")) show(root);
}

showAll();
// However a live page replaces its parts, a picture that came new is drawn.
new MutationObserver(showAll).observe(document.body, { childList: true, subtree: true });
