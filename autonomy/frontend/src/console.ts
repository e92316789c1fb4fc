// The console: its lists are read again when the ledger grows, never under somebody's focus or pointer, and not
// while updates are paused. On a narrow screen its three parts are tabs. Without a script all of it is links.
import { onNews, showConnection } from "./live";
import { all, one } from "./page";
import { refreshTimes } from "./times";

const AT_MOST_EVERY_MS = 3_000;
const ANYWAY_EVERY_MS = 15_000;

function following(root: HTMLElement): void {
  const parts = all("[data-console-part]", root);
  let readAt = 0;
  let timer = 0;
  let reading = false;
  let left = false; // something could not be read again, because it was in use

  const isPaused = () => one("[data-feed-pause]", root)?.getAttribute("aria-pressed") === "true";
  const isInUse = (part: HTMLElement) =>
    part.contains(document.activeElement) || one("details[open]", part) !== null || part.matches(":hover");

  async function read(part: HTMLElement): Promise<void> {
    if (isInUse(part)) {
      left = true;
      return;
    }
    const decide = (event: Event) => {
      const swap = (event as CustomEvent<{ shouldSwap: boolean }>).detail;
      swap.shouldSwap &&= !isInUse(part);
    };
    part.addEventListener("htmx:beforeSwap", decide, { once: true });
    try {
      await window.htmx.ajax("GET", part.dataset.address!, { target: part, swap: "innerHTML" });
    } finally {
      part.removeEventListener("htmx:beforeSwap", decide);
    }
    refreshTimes(part);
  }

  async function readAll(): Promise<void> {
    if (reading || isPaused() || document.hidden) return;
    reading = true;
    readAt = Date.now();
    left = false;
    try {
      for (const part of parts) await read(part);
      showConnection();
    } finally {
      reading = false;
    }
  }

  function readSoon(): void {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => void readAll(), Math.max(0, readAt + AT_MOST_EVERY_MS - Date.now()));
  }

  onNews(readSoon);
  window.setInterval(() => void readAll(), ANYWAY_EVERY_MS);
  const again = () => left && readSoon();
  root.addEventListener("focusout", again);
  for (const part of parts) part.addEventListener("pointerleave", again);
  one("[data-feed-pause]", root)?.addEventListener("click", () => !isPaused() && readSoon());
}

function tabs(root: HTMLElement): void {
  const links = all<HTMLAnchorElement>(".portal-console-tabs a", root);
  const show = (name: string) => {
    root.dataset.tab = name;
    for (const link of links) {
      if (link.hash === `#${name}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  for (const link of links) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      show(link.hash.slice(1));
    });
  }
  const asked = new URLSearchParams(location.search);
  const filters = ["show", "kind", "severity", "before"].some((name) => asked.has(name));
  const chosen = asked.has("run") || asked.has("agent");
  show(chosen ? "console-side" : filters ? "console-feed" : "console-agents");
}

export function operations(root: HTMLElement): void {
  following(root);
  tabs(root);
}
