// Single keys, for every page: one listener, one list of them, and they can be switched off in one's settings.
import { isTyping, one } from "./page";

const PATIENCE_MS = 1_500;

type Keys = Record<string, () => void>;

let ofPage: Keys = {};
let leave: (() => void) | null = null;

/** Let a page say what its keys do; ``left`` is called when somebody leaves a field with Escape. */
export function onKeys(keys: Keys, left?: () => void): void {
  ofPage = keys;
  leave = left ?? null;
}

const dialog = (): HTMLDialogElement | null => one<HTMLDialogElement>("[data-keys]");

function showKeys(): void {
  const found = dialog();
  if (!found) return;
  found.showModal();
  found.scrollTop = 0; // the focus is on the first link, which stands at the end
}

/** Whether something lies over the page: then its keys are not for the page. */
const isCovered = (): boolean => one("dialog[open], [role=dialog]:not([hidden])")?.checkVisibility() === true;

export function keys(): void {
  const places = one<HTMLMetaElement>("meta[name=portal-keys]");
  const template = one<HTMLTemplateElement>("[data-keys-template]");
  const slot = one("[data-keys-of-page]");
  if (template && slot) slot.append(template.content.cloneNode(true));
  for (const button of document.querySelectorAll("[data-keys-open]")) button.addEventListener("click", showKeys);

  let goes = 0;
  const ours: Keys = {
    "?": showKeys,
    g: () => {
      goes = Date.now();
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && leave && isTyping(event) && !isCovered()) {
      leave();
      return;
    }
    if (!places || isTyping(event) || isCovered()) return;
    const address = Date.now() - goes < PATIENCE_MS ? places.dataset[event.key] : undefined;
    goes = 0;
    if (address) {
      event.preventDefault();
      location.assign(address);
      return;
    }
    const action = ofPage[event.key] ?? ours[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
