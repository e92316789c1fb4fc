// A box of a form in which one of very many is found: a combobox over what the server finds while somebody types.
// Without a script the form is sent with what was typed, and comes back with what that may mean. Boxes also come with
// dialogs that are loaded later, so each is made ready when it is first entered.
import { listbox } from "./listbox";

interface Answer {
  found: { label: string; shelf: string }[];
  more: boolean;
}

const WAIT_MS = 150;
let made = 0;

function ready(input: HTMLInputElement): void {
  const chooser = input.parentElement!;
  const list = document.createElement("div");
  const status = document.createElement("span");
  const name = `chooser-${++made}`;
  list.id = name;
  list.className = "portal-choices";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", input.labels?.[0]?.textContent?.trim() || input.getAttribute("aria-label") || input.name);
  status.className = "portal-choices-status";
  status.setAttribute("role", "status");
  chooser.append(list, status);
  for (const [attribute, value] of Object.entries({
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": name,
  }))
    input.setAttribute(attribute, value);
  // From here on the list is ours, not the browser's.
  input.removeAttribute("list");
  let timer = 0;
  let asked = 0;

  const { options, chosen, point } = listbox(input, list);

  function close(): void {
    window.clearTimeout(timer);
    asked++;
    list.replaceChildren();
    list.hidden = true;
    status.textContent = "";
    input.setAttribute("aria-expanded", "false");
    point(undefined);
  }

  function take(option: HTMLElement): void {
    input.value = option.dataset.label!;
    close();
    // What a preview reads of the form is read again.
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function show(answer: Answer): void {
    let shelf = "";
    let group: HTMLElement = list;
    list.replaceChildren();
    answer.found.forEach((entry, number) => {
      if (entry.shelf && entry.shelf !== shelf) {
        shelf = entry.shelf;
        group = document.createElement("div");
        group.setAttribute("role", "group");
        group.setAttribute("aria-label", shelf);
        const title = document.createElement("div");
        title.className = "portal-choices-group";
        title.setAttribute("aria-hidden", "true");
        title.textContent = shelf;
        group.append(title);
        list.append(group);
      }
      const option = document.createElement("div");
      option.id = `${name}-${number}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.label = option.textContent = entry.label;
      group.append(option);
    });
    list.hidden = !answer.found.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    status.textContent = answer.found.length ? (answer.more ? (input.dataset.more ?? "") : "") : (input.dataset.none ?? "");
    point(undefined);
  }

  async function search(): Promise<void> {
    const number = ++asked;
    const address = new URL(input.dataset.choices!, location.href);
    address.searchParams.set("q", input.value.trim());
    try {
      const response = await fetch(address, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(String(response.status));
      const answer = (await response.json()) as Answer;
      // A later question was asked meanwhile: its answer counts. Who left the box needs none.
      if (number === asked && document.activeElement === input) show(answer);
    } catch {
      // The form can be sent with what was typed, as without a script.
      if (number === asked) close();
    }
  }

  function step(by: number): void {
    const every = options();
    if (list.hidden || !every.length) return void search();
    const at = chosen() ? every.indexOf(chosen()!) : by > 0 ? -1 : 0;
    point(every[(at + by + every.length) % every.length]);
  }

  input.addEventListener("input", () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => void search(), WAIT_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const option = list.hidden ? undefined : chosen();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") step(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Enter" && option) take(option);
    else if (event.key === "Escape" && !list.hidden) {
      // A dialog around it stays open.
      event.stopPropagation();
      close();
    } else return;
    event.preventDefault();
  });
  input.addEventListener("click", () => {
    if (list.hidden) void search();
  });
  input.addEventListener("blur", close);
  // The box keeps the focus while somebody points at what was found.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = (event.target as Element).closest<HTMLElement>("[role=option]");
    if (option) take(option);
  });
}

document.addEventListener("focusin", (event) => {
  const input = event.target as HTMLElement;
  if (input.matches("input[data-choices]:not([role])")) ready(input as HTMLInputElement);
});

// Somebody may have begun to type before this was there.
const begun = document.activeElement as HTMLInputElement | null;
if (begun?.matches("input[data-choices]:not([role])")) {
  ready(begun);
  if (begun.value !== begun.defaultValue) begun.dispatchEvent(new Event("input"));
}

export {};
