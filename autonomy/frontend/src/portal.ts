// What runs on every page of the portal: live counts, times in words, and the page's own behaviour if it has one.
import { activity } from "./activity";
import { inbox } from "./inbox";
import { connect, onNews, type Summary } from "./live";
import { one } from "./page";
import { refreshTimes } from "./times";

const REFRESH_TIMES_MS = 15_000;

/** A page that shows a moving picture re-reads its own parts when the ledger grows. */
function refreshing(root: HTMLElement): void {
  let position = Number(root.dataset.position ?? 0);
  onNews(async (summary: Summary) => {
    if (summary.position <= position || root.contains(document.activeElement)) return;
    position = summary.position;
    await window.htmx.ajax("GET", root.dataset.refresh!, { target: root, swap: "innerHTML" });
    refreshTimes(root);
  });
}

const inboxRoot = one("[data-page=inbox]");
const activityRoot = one("[data-page=activity]");
const refreshRoot = one("[data-refresh]");
if (inboxRoot) inbox(inboxRoot);
if (activityRoot) activity(activityRoot);
if (refreshRoot) refreshing(refreshRoot);

refreshTimes();
window.setInterval(refreshTimes, REFRESH_TIMES_MS);
connect();
