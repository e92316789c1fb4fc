// A button with an icon and a word, as the portal's pages have them.

export function button(word: string, icon: string, pressed?: boolean): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "portal-button";
  made.dataset.size = "small";
  const mark = document.createElement("span");
  mark.className = "material-symbols-outlined";
  mark.setAttribute("aria-hidden", "true");
  mark.textContent = icon;
  made.append(mark, word);
  if (pressed !== undefined) made.setAttribute("aria-pressed", String(pressed));
  return made;
}
