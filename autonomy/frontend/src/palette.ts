// The search that opens over any page (Ctrl+K): a combobox over a list that the server writes, by what this person may see.
// Without a script the same links lead to the search as a page.
import { listbox } from "./listbox";
import { one } from "./page";

interface Recent {
  title: string;
  detail: string;
  link: string;
  icon: string;
}

const WAIT_MS = 120;
const MOST_RECENT = 8;

const dialog = one<HTMLDialogElement>("#portal-palette");
const recentKey = `portalRecent:${dialog?.dataset.user ?? ""}`;

function recent(): Recent[] {
  try {
    const kept = JSON.parse(localStorage.getItem(recentKey) ?? "[]") as Recent[];
    // Only addresses of this site are gone to, whatever stands in the browser's store.
    return kept.filter((entry) => entry.link.startsWith("/") && !entry.link.startsWith("//")).slice(0, MOST_RECENT);
  } catch {
    return [];
  }
}

function remember(option: HTMLAnchorElement): void {
  const entry: Recent = {
    title: one("[data-title]", option)?.textContent ?? "",
    detail: one("[data-detail-words]", option)?.textContent ?? "",
    link: option.getAttribute("href") ?? "",
    icon: option.dataset.icon ?? "tag",
  };
  const others = recent().filter((other) => other.link !== entry.link);
  try {
    localStorage.setItem(recentKey, JSON.stringify([entry, ...others].slice(0, MOST_RECENT)));
  } catch {
    // A browser that keeps nothing remembers nothing.
  }
}

function element(tag: string, attributes: Record<string, string>, words = ""): HTMLElement {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = words;
  return made;
}

function recentGroup(title: string): HTMLElement | null {
  const entries = recent();
  if (!entries.length) return null;
  const group = element("div", { role: "group", "aria-labelledby": "palette-group-recent" });
  group.append(element("div", { class: "portal-palette-group", id: "palette-group-recent" }, title));
  entries.forEach((entry, number) => {
    const option = element("a", {
      role: "option",
      "aria-selected": "false",
      tabindex: "-1",
      id: `palette-recent-${number}`,
      href: entry.link,
      "data-icon": entry.icon,
    });
    const words = element("span", {});
    words.append(element("strong", { "data-title": "" }, entry.title));
    words.append(element("span", { class: "portal-quiet portal-small", "data-detail-words": "" }, entry.detail));
    option.append(element("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, entry.icon), words);
    group.append(option);
  });
  return group;
}

function palette(box: HTMLDialogElement): void {
  const input = one<HTMLInputElement>("input[role=combobox]", box)!;
  const list = one("[role=listbox]", box)!;
  const status = one("[role=status]", box)!;
  let timer = 0;
  let asked = 0;

  const { options, chosen, point: choose } = listbox<HTMLAnchorElement>(input, list);

  function show(fragment: Node | null, typed: string): void {
    list.replaceChildren();
    const before = typed ? null : recentGroup(box.dataset.recent ?? "");
    if (before) list.append(before);
    if (fragment) list.append(fragment);
    const many = options().length;
    const words = many === 1 ? box.dataset.foundOne : box.dataset.foundMany;
    status.textContent = many ? (words ?? "").replace("%n", String(many)) : (box.dataset.foundNone ?? "");
    choose(options()[0]);
  }

  async function search(): Promise<void> {
    const typed = input.value.trim();
    const number = ++asked;
    const address = new URL(box.dataset.address!, location.href);
    address.searchParams.set("q", typed);
    try {
      const response = await fetch(address);
      if (!response.ok) throw new Error(String(response.status));
      const fragment = document.createElement("template");
      fragment.innerHTML = await response.text();
      // A later question was asked meanwhile: its answer counts.
      if (number === asked) show(fragment.content, typed);
    } catch {
      if (number === asked) status.textContent = box.dataset.failed ?? "";
    }
  }

  function open(): void {
    if (box.open) return;
    input.value = "";
    show(null, "");
    box.showModal();
    input.focus();
    void search();
  }

  function step(by: number): void {
    const all = options();
    if (!all.length) return;
    const at = all.indexOf(chosen()!);
    choose(all[(at + by + all.length) % all.length]);
  }

  const keys: Record<string, () => void> = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Home: () => choose(options()[0]),
    End: () => choose(options().at(-1)),
  };
  input.addEventListener("input", () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => void search(), WAIT_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter") {
      const option = chosen();
      if (!option) return; // the form goes to the search page
      event.preventDefault();
      remember(option);
      if (event.ctrlKey || event.metaKey) window.open(option.href, "_blank", "noopener");
      else location.assign(option.href);
      return;
    }
    const move = keys[event.key];
    if (!move || ((event.key === "Home" || event.key === "End") && input.value)) return;
    event.preventDefault();
    move();
  });
  list.addEventListener("click", (event) => {
    const option = (event.target as Element).closest<HTMLAnchorElement>("[role=option]");
    if (option) remember(option);
  });
  // A page that is gone to by its hash stays: then the search must not stand over it.
  window.addEventListener("hashchange", () => box.close());
  box.addEventListener("click", (event) => {
    if (event.target === box || (event.target as Element).closest("[data-palette-close]")) box.close();
  });
  document.addEventListener("click", (event) => {
    const opener = (event.target as Element).closest<HTMLElement>("[data-palette-open]");
    if (!opener || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (box.open) box.close();
    else open();
  });
}

if (dialog) palette(dialog);
