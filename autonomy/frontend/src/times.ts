// Times in words, refreshed as they pass; the exact time stays in the element's title.
import { all } from "./page";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const URGENT = 15 * MINUTE;

// How the page's language says it; "%n" is the span.
const words = () => document.querySelector<HTMLMetaElement>("meta[name=portal-times]")?.dataset ?? {};
const put = (pattern: string | undefined, fallback: string, span: string) => (pattern ?? fallback).replace("%n", span);

function inWords(seconds: number): string {
  const span = Math.abs(seconds);
  if (span < MINUTE) return words().under ?? "under a minute";
  if (span < HOUR) return `${Math.floor(span / MINUTE)} min`;
  if (span < DAY) return `${Math.floor(span / HOUR)} h ${Math.floor((span % HOUR) / MINUTE)} min`;
  const days = Math.floor(span / DAY);
  return days === 1 ? (words().day ?? "1 day") : put(words().days, "%n days", String(days));
}

/** How long ago something was; a language may say days otherwise here than on their own. */
function ago(seconds: number): string {
  const span = Math.abs(seconds);
  if (span < MINUTE) return words().now ?? "just now";
  const days = Math.floor(span / DAY);
  if (days > 1) return put(words().daysAgo, "%n days ago", String(days));
  return put(words().ago, "%n ago", inWords(seconds));
}

export function refreshTimes(root: ParentNode = document): void {
  for (const element of all<HTMLTimeElement>("time[data-relative]", root)) {
    const moment = new Date(element.dateTime);
    const left = Math.round((moment.getTime() - Date.now()) / 1000);
    element.title = moment.toLocaleString();
    if (element.dataset.relative === "due") {
      element.textContent = left < 0 ? put(words().late, "%n late", inWords(left)) : inWords(left);
      element.toggleAttribute("data-urgent", left < URGENT);
    } else {
      element.textContent = ago(left);
    }
  }
}
