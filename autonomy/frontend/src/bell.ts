// The bell in the header: how much is unread, as the page hears of it.
import { onNews } from "./live";
import { all } from "./page";

const MOST_SHOWN = 99;

onNews((summary) => {
  const unread = summary.counts.bell;
  if (unread === undefined) return;
  for (const badge of all("[data-bell]")) {
    badge.textContent = unread > MOST_SHOWN ? `${MOST_SHOWN}+` : String(unread);
    badge.hidden = unread === 0;
  }
});
