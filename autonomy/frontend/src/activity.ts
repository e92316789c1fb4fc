// The activity feed: reads the gap after the newest position it shows, so that nothing is skipped or shown twice.
import { onNews, type Summary } from "./live";
import { all, one, plural, say } from "./page";
import { refreshTimes } from "./times";

const ROWS_KEPT = 500;

export function activity(root: HTMLElement): void {
  const list = one("[data-feed]", root)!;
  const more = one<HTMLButtonElement>("[data-feed-more]", root)!;
  const pause = one<HTMLButtonElement>("[data-feed-pause]", root)!;
  const empty = one("[data-feed-empty]", root);
  let paused = false;
  let position = Number(list.dataset.position ?? 0);
  let waiting: HTMLElement[] = [];

  async function fetchGap(upTo: number): Promise<void> {
    while (position < upTo) {
      const address = new URL(list.dataset.address!, location.href);
      address.searchParams.set("after", String(position));
      const response = await fetch(address);
      if (!response.ok) return;
      const fragment = document.createElement("template");
      fragment.innerHTML = await response.text();
      waiting.push(...all("[data-position]", fragment.content));
      // Rows this person may not see leave holes, so the server says how far it has looked.
      const looked = Number(response.headers.get("X-Feed-Position") ?? 0);
      if (looked <= position) return;
      position = looked;
    }
  }

  function show(): void {
    if (!waiting.length) return;
    const shown = waiting.length;
    for (const row of waiting) list.prepend(row);
    waiting = [];
    more.hidden = true;
    if (empty) empty.hidden = true;
    for (const row of all("[data-position]", list).slice(ROWS_KEPT)) row.remove();
    refreshTimes(list);
    say(plural(shown, "new event"));
  }

  const mayMove = () => !paused && !list.matches(":hover") && !list.contains(document.activeElement);

  onNews(async (summary: Summary) => {
    await fetchGap(summary.position);
    if (!waiting.length) return;
    if (mayMove()) {
      show();
    } else {
      more.hidden = false;
      more.textContent = `${plural(waiting.length, "new event")}: show`;
    }
  });
  more.addEventListener("click", show);
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume updates" : "Pause updates";
    if (!paused) show();
  });
}
