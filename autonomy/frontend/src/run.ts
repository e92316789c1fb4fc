// Small conveniences of the pages about runs. Without them everything works as links, fields and forms.
import { all, one, say } from "./page";

/** Offer to copy an id, or the link to a step, wherever a part of the page was swapped in. */
export function copying(root: HTMLElement): void {
  const show = (): void => all("[data-copy]", root).forEach((button) => (button.hidden = false));
  const copy = async (text: string): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      return; // no clipboard here: the text stands beside the button, and a link is a link
    }
    say(root.dataset.copied ?? "");
  };
  root.addEventListener("click", (event) => {
    const target = (event.target as HTMLElement).closest<HTMLElement>("[data-copy], [data-copy-link]");
    if (!target) return;
    const link = target.closest<HTMLAnchorElement>("a[data-copy-link]");
    void copy(link ? link.href : (target.dataset.copy ?? ""));
  });
  document.body.addEventListener("htmx:afterSwap", show);
  show();
}

/** Let all cases of one cause be chosen at once. */
export function choosing(root: HTMLElement): void {
  const boxes = (button: HTMLElement): HTMLInputElement[] =>
    all<HTMLInputElement>("input[type=checkbox]", button.closest("form") ?? root);
  const show = (): void => all("[data-pick-all]", root).forEach((button) => (button.hidden = boxes(button).length < 2));
  root.addEventListener("click", (event) => {
    const button = (event.target as HTMLElement).closest<HTMLElement>("[data-pick-all]");
    if (!button) return;
    const isPressed = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isPressed));
    for (const box of boxes(button)) box.checked = isPressed;
  });
  document.body.addEventListener("htmx:afterSwap", show);
  show();
}

/** Open what the address points to, and bring it into view: a step of a run. */
export function pointing(): void {
  const show = (): void => {
    if (!location.hash.startsWith("#step-")) return;
    one(`#${CSS.escape(location.hash.slice(1))}`)?.scrollIntoView({ block: "center" });
  };
  window.addEventListener("hashchange", show);
  show();
}
