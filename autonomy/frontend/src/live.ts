// One socket per page. It brings what is new for this person: how far the ledger has come, how much waits, and, to a
// page with a feed, the rows. Nothing is said to the portal over it. Frames may be lost or doubled: each says after
// which position it tells and up to which, so a page that misses some reads them over an ordinary request.
import { all, one, say } from "./page";

export interface Summary {
  position: number;
  counts: Record<string, number>;
  /** Changes whenever the list of waiting approvals does. */
  inbox: string;
}

/** What happened, as one line of a feed. All of it is text that others wrote: it is never markup. */
export interface Row {
  key: string;
  position: number;
  at: string;
  icon: string;
  tone: string;
  severity: string;
  kind: string;
  who: string;
  sentence: string;
  reason: string;
  link: string;
  agent: string;
  run: string;
  run_link: string;
  shows: string[];
}

/** What a person may see of the positions after one and up to another. Without rows: there were too many. */
export interface Frame {
  after: number;
  upto: number;
  rows: Row[] | null;
}

type Listener = (summary: Summary) => void | Promise<void>;
interface Follower {
  heard: (frame: Frame) => void;
  /** Up to where what it shows is whole: what came after it is brought first. */
  position: () => number;
}
type State = "live" | "lost" | "out" | "changed";

const SIGNED_OUT = 4401;
const RIGHTS_CHANGED = 4403;
const FIRST_DELAY_MS = 500;
const TELL_AT_MOST_EVERY_MS = 1_000;
// Where no socket comes about, e.g. behind a proxy that knows none, the page asks each time it tries again.
const LONGEST_DELAY_MS = 15_000;
const WORDS: Record<State, string> = {
  live: "Live",
  lost: "Connection lost, trying again",
  out: "Signed out: reload to sign in",
  changed: "What you may see has changed: reload the page",
};

const listeners: Listener[] = [];
const followers: Follower[] = [];
/** Hear at most once a second that there is news. */
export const onNews = (listener: Listener): void => void listeners.push(listener);
/** Hear every frame at once; the socket then brings rows. Call it before ``connect``. */
export const onFrames = (heard: Follower["heard"], position: Follower["position"]): void =>
  void followers.push({ heard, position });

let attempts = 0;
let timer = 0;
let lastTold = 0;
let telling = false;
const summary: Summary = { position: 0, counts: {}, inbox: "" };
let summaryIsWhole = false;
let shown: (() => void) | null = null;

/** Say the state of the connection again where a part of the page was replaced. */
export const showConnection = (): void => shown?.();

function show(state: State): void {
  shown = () => show(state);
  for (const element of all("[data-connection]")) {
    element.dataset.state = state;
    element.textContent = element.getAttribute(`data-words-${state}`) ?? WORDS[state];
  }
}

/** Tell the page soon: at once after a quiet second, otherwise when that second is over. */
function tellSoon(): void {
  if (telling || !summaryIsWhole) return;
  telling = true;
  timer = window.setTimeout(() => void tell(), Math.max(0, lastTold + TELL_AT_MOST_EVERY_MS - Date.now()));
}

async function tell(): Promise<void> {
  window.clearTimeout(timer);
  lastTold = Date.now();
  telling = false;
  showCounts(summary.counts);
  const told = { ...summary };
  for (const listener of listeners) {
    try {
      await listener(told);
    } catch {
      // The network is away; the socket notices, says so, and tells again when it is back.
    }
  }
}

function showCounts(counts: Record<string, number>): void {
  for (const [name, count] of Object.entries(counts)) {
    for (const element of all(`[data-count="${CSS.escape(name)}"]`)) {
      element.textContent = count > 200 ? "200+" : String(count);
      if (element.classList.contains("portal-badge")) element.hidden = count === 0;
    }
  }
}

function heard(text: string): void {
  const said = JSON.parse(text);
  if (said.kind === "counts") {
    summary.counts = said.counts;
    summary.inbox = said.inbox;
    summaryIsWhole = true;
  } else if (said.kind === "news") {
    summary.position = Math.max(summary.position, said.upto);
    for (const follower of followers) follower.heard({ after: said.after, upto: said.upto, rows: said.rows ?? null });
  }
  tellSoon();
}

/** Ask once over an ordinary request, where there is no socket. */
async function ask(address: string): Promise<void> {
  try {
    const response = await fetch(address, { headers: { Accept: "application/json" } });
    if (!response.ok || !response.headers.get("Content-Type")?.includes("json")) return;
    Object.assign(summary, await response.json());
    summaryIsWhole = true;
    for (const follower of followers) follower.heard({ after: summary.position, upto: summary.position, rows: [] });
    tellSoon();
  } catch {
    // It is asked again.
  }
}

/** Keep a socket open, with jittered back-off; the first frame of each tells from where on it brings what is new. */
export function connect(): void {
  const address = one<HTMLMetaElement>("meta[name=portal-live]")?.content;
  if (!address) return;
  const host = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}`;
  const whole = Math.min(...followers.map((follower) => follower.position()));
  const socket = new WebSocket(`${host}/ws${address}${followers.length ? `?rows=1&after=${whole}` : ""}`);
  socket.onmessage = (event) => {
    attempts = 0;
    show("live");
    heard(event.data as string);
  };
  socket.onclose = (event) => {
    const isOver = event.code === SIGNED_OUT || event.code === RIGHTS_CHANGED;
    show(event.code === SIGNED_OUT ? "out" : event.code === RIGHTS_CHANGED ? "changed" : "lost");
    if (isOver) {
      say(one("[data-connection]")?.textContent ?? WORDS[event.code === SIGNED_OUT ? "out" : "changed"]);
      return;
    }
    if (attempts > 2) void ask(address);
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempts++);
    window.setTimeout(connect, delay * (0.5 + Math.random() / 2));
  };
}
