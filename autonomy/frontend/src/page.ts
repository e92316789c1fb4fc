// The few things every module needs from the page and from the libraries beside it.

export interface Htmx {
  ajax(verb: "GET", url: string, options: { source?: Element; target: Element; swap: string }): Promise<void>;
  process(element: Element): void;
}

declare global {
  interface Window {
    htmx: Htmx;
  }
}

export const one = <T extends Element = HTMLElement>(selector: string, root: ParentNode = document): T | null =>
  root.querySelector<T>(selector);

export const all = <T extends Element = HTMLElement>(selector: string, root: ParentNode = document): T[] => [
  ...root.querySelectorAll<T>(selector),
];

/** Tell screen readers one short sentence; the page has one polite status line for all of them. */
export function say(sentence: string): void {
  const line = one("#portal-status");
  if (line) line.textContent = sentence;
}

/** Shortcuts stay silent while somebody types, and leave every browser and theme shortcut alone. */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  const target = event.target as HTMLElement;
  return /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable;
}
