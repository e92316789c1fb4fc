// A live feed: what happened, newest first, without a gap and without a row twice, however the socket fares.
//
// THE CONTRACT. In a view: `feed=feed_of(request)` (workflows/pages/feed.py). In its page, inside any element:
//
//   {% include "portal/feed.html" %}          the whole: filters, state, pause, list
//
// which makes this (a page may write it itself instead):
//
//   <section data-feed-root>
//     <span data-connection ...>                            state of the connection in words (portal/connection.html)
//     <button data-feed-pause data-pause="..." data-resume="..." aria-pressed="false">
//     <button data-feed-more hidden data-one="..." data-many="..." data-most="...">   "12 new"; %d is the number
//     <ol data-feed data-address="/activity/rows/?agent=..." data-position="123" reversed>
//        <li data-key="..." data-position="123">...</li>    made by the server; newest first, ordered by key
//     </ol>
//     <template data-feed-row><li>...</li></template>       a row; see `rowOf` for the marks it may carry
//     <a data-feed-older href="?before=...">                older by scrolling; a plain link without a script
//     <p data-feed-empty>
//   </section>
//
// `data-address` answers GET ?after=<position> with {after, upto, rows} (what came after, ascending) and
// ?before=<key> with {rows, older} (what was before, newest first; older '' at the end). Its query holds the filters
// agent, run, kind, severity, show: they hold for what is read and for what the socket brings (`isWanted`).
// `data-position` is up to which position the list is whole. The list dispatches `feed:shown` with the number of new
// rows. Rows are filled by textContent only.
import { type Frame, onFrames, type Row } from "./live";
import { all, one, say } from "./page";
import { refreshTimes } from "./times";

const ROWS_KEPT = 500;
const AGAIN_MS = 1_000;
const LONGEST_AGAIN_MS = 30_000;
const QUIET_MS = 5_000;

interface Answer {
  upto?: number;
  older?: string;
  rows: Row[];
}

/** Say whether a row is what the filters in an address ask for. */
export function isWanted(row: Row, asked: URLSearchParams): boolean {
  const is = (name: string, value: string) => !asked.get(name) || asked.get(name) === value;
  const graver = asked.get("severity");
  return (
    is("agent", row.agent) &&
    is("run", row.run) &&
    is("kind", row.kind) &&
    (!graver || row.severity === "trouble" || row.severity === graver) &&
    row.shows.includes(asked.get("show") || "all")
  );
}

/** Fill the template of a row. `data-text` names what an element says; what is empty is taken away. */
function rowOf(template: HTMLTemplateElement, row: Row): HTMLElement {
  const made = template.content.firstElementChild!.cloneNode(true) as HTMLElement;
  made.dataset.key = row.key;
  made.dataset.position = String(row.position);
  made.dataset.severity = row.severity;
  const values = row as unknown as Record<string, string>;
  for (const element of all("[data-href]", made)) {
    const target = values[element.dataset.href!] ?? "";
    // Addresses come from the portal alone, and only one of its own paths is ever followed.
    if (/^\/(?!\/)/.test(target)) element.setAttribute("href", target);
    else if (element.dataset.else === "remove") element.remove();
    else element.removeAttribute("href");
  }
  for (const element of all("[data-agent-filter]", made)) {
    if (row.agent) element.setAttribute("href", `${element.dataset.agentFilter}${encodeURIComponent(row.agent)}`);
    else element.remove();
  }
  for (const element of all("[data-text]", made)) {
    const text = values[element.dataset.text!] ?? "";
    if (text) element.textContent = text;
    else (element.closest("[data-optional]") ?? element).remove();
  }
  for (const element of all("[data-row-tone]", made)) element.dataset.tone = row.tone;
  for (const element of all("[data-for-severity]", made)) {
    if (element.dataset.forSeverity !== row.severity) element.remove();
  }
  for (const element of all<HTMLTimeElement>("time", made)) element.dateTime = row.at;
  return made;
}

/** Follow one feed of the page. */
export function feed(list: HTMLElement): void {
  const root = list.closest<HTMLElement>("[data-feed-root]") ?? list.parentElement!;
  const template = one<HTMLTemplateElement>("template[data-feed-row]", root)!;
  const more = one<HTMLButtonElement>("[data-feed-more]", root);
  const pause = one<HTMLButtonElement>("[data-feed-pause]", root);
  const older = one<HTMLAnchorElement>("[data-feed-older]", root);
  const empty = one("[data-feed-empty]", root);
  const address = new URL(list.dataset.address!, location.href);

  let position = Number(list.dataset.position ?? 0);
  let paused = false;
  let atTop = true;
  let waiting = new Map<string, Row>();
  let overflowed = false;
  let gap: Promise<void> | null = null;
  let frames: Frame[] = [];
  let unsaid = 0;
  let saidAt = 0;

  const rows = () => all("[data-key]", list);
  const keyOf = (row: Element) => (row as HTMLElement).dataset.key!;
  const isShown = (key: string) => list.querySelector(`[data-key="${CSS.escape(key)}"]`) !== null;

  async function read(name: string, value: string): Promise<Answer | null> {
    const asked = new URL(address);
    asked.searchParams.set(name, value);
    try {
      const response = await fetch(asked, { headers: { Accept: "application/json" } });
      return response.ok && response.headers.get("Content-Type")?.includes("json") ? await response.json() : null;
    } catch {
      return null;
    }
  }

  /** Read what came after the position that is whole, until it is whole up to another. */
  async function fill(upTo: number): Promise<void> {
    let failures = 0;
    while (position < upTo) {
      const answer = await read("after", String(position));
      const looked = answer?.upto ?? 0;
      if (!answer || looked <= position) {
        const pause = Math.min(LONGEST_AGAIN_MS, AGAIN_MS * 2 ** failures++);
        await new Promise((done) => window.setTimeout(done, pause * (0.5 + Math.random())));
        continue;
      }
      failures = 0;
      take(answer.rows);
      position = looked;
    }
  }

  function heard(frame: Frame): void {
    frames.push(frame);
    gap ??= work().finally(() => {
      gap = null;
    });
  }

  async function work(): Promise<void> {
    for (let frame = frames.shift(); frame; frame = frames.shift()) {
      // What the person may not see leaves holes, so a frame says from where to where it is whole.
      if (frame.rows === null) await fill(frame.upto);
      else if (frame.after > position) await fill(frame.after);
      take(frame.rows ?? []);
      position = Math.max(position, frame.upto);
    }
    update();
  }

  function take(found: Row[]): void {
    for (const row of found) {
      if (isWanted(row, address.searchParams) && !waiting.has(row.key) && !isShown(row.key)) waiting.set(row.key, row);
    }
    if (waiting.size > ROWS_KEPT) {
      const newest = [...waiting.values()].sort((a, b) => (a.key < b.key ? 1 : -1)).slice(0, ROWS_KEPT);
      waiting = new Map(newest.map((row) => [row.key, row]));
      overflowed = true;
    }
  }

  // Rows never move under somebody's pointer or focus, nor while they read further down.
  const mayMove = () => !paused && atTop && !list.matches(":hover") && !list.contains(document.activeElement);

  function update(): void {
    if (!waiting.size) return;
    if (mayMove()) {
      show();
    } else if (more) {
      const words = overflowed ? more.dataset.most : waiting.size === 1 ? more.dataset.one : more.dataset.many;
      more.textContent = (words ?? "%d new: show").replace("%d", String(waiting.size));
      more.hidden = false;
    }
  }

  /** Put what waits in its place. Rows are ordered by key; a row is put in once. */
  function put(found: Iterable<Row>): number {
    let count = 0;
    const there = rows();
    for (const row of [...found].sort((a, b) => (a.key < b.key ? 1 : -1))) {
      if (isShown(row.key)) continue;
      const next = there.find((other) => keyOf(other) < row.key);
      // Older than all that is here, while older ones are not: it is read with them.
      if (!next && there.length && older && !older.hidden) continue;
      list.insertBefore(rowOf(template, row), next ?? null);
      count += 1;
    }
    return count;
  }

  function show(): void {
    const found = [...waiting.values()];
    waiting = new Map();
    if (overflowed) list.replaceChildren();
    overflowed = false;
    const count = put(found);
    if (more) more.hidden = true;
    if (empty && count) empty.hidden = true;
    trim();
    refreshTimes(list);
    list.dispatchEvent(new CustomEvent("feed:shown", { detail: count, bubbles: true }));
    announce(count);
  }

  function trim(): void {
    const surplus = rows().slice(ROWS_KEPT);
    for (const row of surplus) row.remove();
    if (surplus.length) goOnFrom(keyOf(rows().at(-1)!));
  }

  /** One polite sentence at most every few seconds. */
  function announce(count: number): void {
    unsaid += count;
    if (!unsaid || Date.now() - saidAt < QUIET_MS) return;
    const words = unsaid === 1 ? list.dataset.saidOne : list.dataset.saidMany;
    say((words ?? "%d new").replace("%d", String(unsaid)));
    unsaid = 0;
    saidAt = Date.now();
  }

  function goOnFrom(key: string): void {
    if (!older) return;
    const place = new URL(older.href || location.href, location.href);
    place.searchParams.set("before", key);
    older.href = `${place.pathname}${place.search}`;
    older.dataset.feedOlder = key;
    older.hidden = key === "";
  }

  let readingOlder = false;
  async function readOlder(): Promise<void> {
    const from = older?.dataset.feedOlder;
    if (!from || readingOlder || rows().length >= ROWS_KEPT) return;
    readingOlder = true;
    const answer = await read("before", from);
    readingOlder = false;
    // What came meanwhile may have pushed that place off the page.
    if (!answer || older.dataset.feedOlder !== from) return;
    for (const row of answer.rows) if (!isShown(row.key)) list.append(rowOf(template, row));
    if (answer.rows.length && empty) empty.hidden = true;
    goOnFrom(answer.older ?? "");
    refreshTimes(list);
  }

  if (older && !older.hidden) {
    // After a page on which nothing was found, the link is in view still: it is asked once, then by its click.
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && void readOlder()).observe(older);
  }
  const top = one("[data-feed-top]", root);
  if (top) {
    new IntersectionObserver((seen) => {
      atTop = seen.at(-1)!.isIntersecting;
      update();
    }).observe(top);
  }
  list.addEventListener("pointerleave", update);
  list.addEventListener("focusout", () => window.setTimeout(update));
  more?.addEventListener("click", () => {
    show();
    top?.scrollIntoView({ block: "nearest" });
  });
  pause?.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = (paused ? pause.dataset.resume : pause.dataset.pause) ?? "";
    if (!paused && waiting.size) show();
  });
  onFrames(heard, () => position);
}
