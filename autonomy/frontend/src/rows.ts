// A list that is filled in as a table: lines are added and taken away. Without it some empty lines wait below.
import { all, one, say } from "./page";

const MARK = "new"; // the place of the pattern, in the names of what is in it
const NAMES = ["name", "id", "for", "aria-describedby"];

export function rows(root: HTMLElement): void {
  const body = one<HTMLTableSectionElement>("tbody", root)!;
  const count = one<HTMLInputElement>("[data-rows-count]", root)!;
  const pattern = one<HTMLTemplateElement>("[data-rows-pattern]", root)!;
  const add = one<HTMLButtonElement>("[data-rows-add]", root)!;
  const most = Number(root.dataset.most);
  const place = `-${MARK}-`;

  const lines = () => [...body.rows];
  const renumber = () => {
    lines().forEach((line, index) => {
      const head = one("[data-rows-number]", line)!;
      const before = head.textContent ?? "";
      const number = String(index + 1);
      head.textContent = number;
      for (const cell of all("[aria-label]", line)) {
        const words = cell.getAttribute("aria-label")!;
        // The words of a line that was there name its number, those of the pattern are told by the server as 0.
        cell.setAttribute("aria-label", words.replace(new RegExp(`\\b${before}(?=: )`), number));
      }
      const away = one<HTMLButtonElement>("[data-rows-away]", line)!;
      away.hidden = false;
      away.title = (away.dataset.words ?? "").replace("%n", number);
      away.setAttribute("aria-label", away.title);
    });
    add.disabled = lines().length >= most;
  };
  const fill = (from: Element, number: string) => {
    for (const name of NAMES) {
      const value = from.getAttribute(name);
      if (value?.includes(place)) from.setAttribute(name, value.replace(place, `-${number}-`));
    }
  };

  add.hidden = false;
  add.addEventListener("click", () => {
    const line = document.importNode(pattern.content, true);
    for (const element of all("*", line)) fill(element, count.value);
    count.value = String(Number(count.value) + 1);
    body.append(line);
    renumber();
    one(":is(input, select, textarea)", lines().at(-1))?.focus();
  });
  body.addEventListener("click", (event) => {
    const away = (event.target as Element).closest<HTMLButtonElement>("[data-rows-away]");
    if (!away) return;
    const at = lines().indexOf(away.closest("tr")!);
    say(away.title);
    body.rows[at]?.remove();
    renumber();
    (one(":is(input, select, textarea)", lines()[Math.min(at, lines().length - 1)] ?? body) ?? add).focus();
  });
  renumber();
}
