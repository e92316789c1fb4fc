// The code that draws pictures of workflows is fetched only where a page has one.
import { one } from "./page";

export function loadGraphs(): void {
  const address = one("[data-graph-script]")?.dataset.graphScript;
  if (!address) return;
  const script = document.createElement("script");
  script.src = address;
  document.head.append(script);
}
