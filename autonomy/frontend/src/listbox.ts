// A box with a list below it: the focus stays in the box, and the option that the arrows are at is told by its id
// (WAI-ARIA combobox pattern).
import { all } from "./page";

export interface Listbox<T extends HTMLElement> {
  options(): T[];
  chosen(): T | undefined;
  /** Be at one of the options, or at none. */
  point(option: T | undefined): void;
}

export function listbox<T extends HTMLElement>(input: HTMLInputElement, list: HTMLElement): Listbox<T> {
  const options = (): T[] => all<T>("[role=option]", list);
  return {
    options,
    chosen: () => options().find((option) => option.id === input.getAttribute("aria-activedescendant")),
    point(option) {
      for (const other of options()) other.setAttribute("aria-selected", String(other === option));
      if (option) {
        input.setAttribute("aria-activedescendant", option.id);
        option.scrollIntoView({ block: "nearest" });
      } else {
        input.removeAttribute("aria-activedescendant");
      }
    },
  };
}
