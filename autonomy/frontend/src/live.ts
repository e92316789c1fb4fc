// One socket per page. A frame is only a hint ("something new, up to this position"); the page then reads what
// it missed over ordinary requests, so every byte passes the ordinary permission checks.
import { all, one } from "./page";

export interface Summary {
  position: number;
  counts: Record<string, number>;
  /** Changes whenever the list of waiting approvals does. */
  inbox: string;
}

type Listener = (summary: Summary) => void | Promise<void>;

const SIGNED_OUT = 4401;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
const READ_AT_MOST_EVERY_MS = 1_000;

const listeners: Listener[] = [];
export const onNews = (listener: Listener): void => void listeners.push(listener);

let attempts = 0;
let timer = 0;
let lastRead = 0;
let reading = false;
let readAgain = false;

let shown: (() => void) | null = null;

/** Say the state of the connection again where a part of the page was replaced. */
export const showConnection = (): void => shown?.();

function show(state: "live" | "lost" | "out", words: string): void {
  shown = () => show(state, words);
  for (const element of all("[data-connection]")) {
    element.dataset.state = state;
    element.textContent = words;
  }
}

/** Read the summary soon: at once after a quiet second, otherwise when that second is over. */
function readSoon(address: string): void {
  if (reading) {
    readAgain = true;
    return;
  }
  window.clearTimeout(timer);
  timer = window.setTimeout(() => void read(address), Math.max(0, lastRead + READ_AT_MOST_EVERY_MS - Date.now()));
}

async function read(address: string): Promise<void> {
  reading = true;
  lastRead = Date.now();
  try {
    const response = await fetch(address, { headers: { Accept: "application/json" } });
    if (!response.ok) return;
    const summary = (await response.json()) as Summary;
    showCounts(summary.counts);
    for (const listener of listeners) await listener(summary);
  } catch {
    // The network is away; the socket notices, says so, and reads again when it is back.
  } finally {
    reading = false;
    if (readAgain) {
      readAgain = false;
      readSoon(address);
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

/** Keep a socket open, with jittered back-off, and read what was missed after each return. */
export function connect(): void {
  const address = one<HTMLMetaElement>("meta[name=portal-live]")?.content;
  if (!address) return;
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws${address}`);
  socket.onopen = () => {
    attempts = 0;
    show("live", "Live");
    readSoon(address);
  };
  socket.onmessage = () => readSoon(address);
  socket.onclose = (event) => {
    if (event.code === SIGNED_OUT) {
      show("out", "Signed out: reload to sign in");
      return;
    }
    show("lost", "Connection lost, trying again");
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempts++);
    window.setTimeout(connect, delay * (0.5 + Math.random() / 2));
  };
}
