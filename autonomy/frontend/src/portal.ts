// What runs on every page of the portal: live counts, times in words, and the page's own behaviour if it has one.
import { operations } from "./console";
import { feed } from "./feed";
import "./bell";
import "./choosing";
import { inbox } from "./inbox";
import { keys } from "./keys";
import { loadGraphs } from "./graphs";
import { connect, onNews, showConnection, type Summary } from "./live";
import { all, one } from "./page";
import { choosing, copying, pointing } from "./run";
import "./palette";
import { rows } from "./rows";
import { refreshTimes } from "./times";

const REFRESH_TIMES_MS = 15_000;

/** A page that shows a moving picture re-reads its own parts when the ledger grows, and never under the focus. */
function refreshing(root: HTMLElement): void {
  let position = Number(root.dataset.position ?? 0);
  let wanted = position;
  let reading = false;

  function isInUse(): boolean {
    const isTyped = all<HTMLTextAreaElement>("textarea", root).some((area) => area.value !== area.defaultValue);
    const isChosen = all<HTMLInputElement>("input[type=checkbox]", root).some((box) => box.checked !== box.defaultChecked);
    return isTyped || isChosen || root.contains(document.activeElement);
  }

  async function refresh(again = false): Promise<void> {
    if (reading || (wanted <= position && !again) || isInUse()) return;
    reading = true;
    const upTo = wanted;
    let opened: string[] = [];
    let isSwapped = false;
    // Whoever came to it while it was being read keeps what they have in hand; it is read again when they leave.
    const decide = (event: Event) => {
      const swap = (event as CustomEvent<{ shouldSwap: boolean }>).detail;
      swap.shouldSwap &&= !isInUse();
      isSwapped = swap.shouldSwap;
      opened = all<HTMLDetailsElement>("details[id][open]", root).map((details) => details.id);
    };
    root.addEventListener("htmx:beforeSwap", decide, { once: true });
    try {
      await window.htmx.ajax("GET", root.dataset.refresh!, { target: root, swap: "innerHTML" });
    } finally {
      reading = false;
      root.removeEventListener("htmx:beforeSwap", decide);
    }
    // What could not be read is wanted still: the next hint, or the return of the network, asks again.
    if (!isSwapped) return;
    position = upTo;
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    refreshTimes(root);
    showConnection();
    void refresh();
  }

  onNews(async (summary: Summary) => {
    wanted = Math.max(wanted, summary.position);
    await refresh();
  });
  root.addEventListener("focusout", () => window.setTimeout(() => void refresh()));
  // What the ledger does not tell is looked at from time to time, as long as the page says that it is not settled.
  const look = (): void => {
    if (!document.hidden && root.offsetParent && one("[data-unsettled]", root)) void refresh(true);
  };
  if (root.dataset.every) window.setInterval(look, Number(root.dataset.every) * 1000);
}

const inboxRoot = one("[data-page=inbox]");
const refreshRoot = one("[data-refresh]");
keys();
if (inboxRoot) inbox(inboxRoot);
for (const list of all("[data-feed]")) feed(list);
for (const root of all("[data-page=console]")) operations(root);
if (refreshRoot) refreshing(refreshRoot);
all("[data-page=run]").forEach((root) => (copying(root), pointing()));
all("[data-page=incidents]").forEach(choosing);
loadGraphs();
all("[data-rows]").forEach(rows);

refreshTimes();
window.setInterval(refreshTimes, REFRESH_TIMES_MS);
connect();
