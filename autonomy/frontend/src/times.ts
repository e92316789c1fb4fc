// Times in words, refreshed as they pass; the exact time stays in the element's title.
import { all } from "./page";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const URGENT = 15 * MINUTE;

export function inWords(seconds: number): string {
  const span = Math.abs(seconds);
  if (span < MINUTE) return "under a minute";
  if (span < HOUR) return `${Math.floor(span / MINUTE)} min`;
  if (span < DAY) return `${Math.floor(span / HOUR)} h ${Math.floor((span % HOUR) / MINUTE)} min`;
  const days = Math.floor(span / DAY);
  return `${days} day${days === 1 ? "" : "s"}`;
}

export function refreshTimes(root: ParentNode = document): void {
  for (const element of all<HTMLTimeElement>("time[data-relative]", root)) {
    const moment = new Date(element.dateTime);
    const left = Math.round((moment.getTime() - Date.now()) / 1000);
    element.title = moment.toLocaleString();
    if (element.dataset.relative === "due") {
      element.textContent = left < 0 ? `${inWords(left)} late` : inWords(left);
      element.toggleAttribute("data-urgent", left < URGENT);
    } else {
      element.textContent = Math.abs(left) < MINUTE ? "just now" : `${inWords(left)} ago`;
    }
  }
}
