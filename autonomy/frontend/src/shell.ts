// Makes the admin theme run on Alpine's CSP build, which resolves no globals: every global function that the
// theme's templates name is registered as data or put on the scope of <body>.
interface Magics {
  $watch(name: string, changed: (value: boolean) => void): void;
}

declare global {
  interface Window {
    Alpine: { data(name: string, make: unknown): void; $data(element: Element): { adminTheme: string } };
    sortRecords(event: Event): void;
    getCurrentTab(): string;
  }
}
declare const moveRecords: (event: Event) => boolean | undefined;

const SIDEBAR = "sidebarDesktopOpen";
const THEME_COMPONENTS = ["theme", "searchForm", "searchDropdown", "searchCommand"] as const;

const shell = () => ({
  activeTab: "",
  sidebarMobileOpen: false,
  sidebarDesktopOpen: localStorage.getItem(SIDEBAR) !== "0",
  sortRecords: (event: Event) => window.sortRecords(event),
  moveRecords: (event: Event) => moveRecords(event),
  getCurrentTab: () => window.getCurrentTab(),
  formAction(): string {
    const address = location.pathname + location.search;
    return this.activeTab && this.activeTab !== "general" ? `${address}#${this.activeTab}` : address;
  },
  init(this: { activeTab: string } & Magics): void {
    const first = document.body.dataset.defaultTab;
    this.activeTab = first ? window.getCurrentTab() || first : "";
    this.$watch(SIDEBAR, (isOpen) => localStorage.setItem(SIDEBAR, isOpen ? "1" : "0"));
  },
});

document.addEventListener("alpine:init", () => {
  const globals = window as unknown as Record<string, unknown>;
  for (const name of THEME_COMPONENTS) window.Alpine.data(name, globals[name]);
  window.Alpine.data("shell", shell);
  // From here on the theme keeps the colour class itself.
  document.documentElement.classList.remove("dark", "light");
});

// The theme asks the system once. Where it follows the system, it is made to ask again when that changes.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  const theme = window.Alpine.$data(document.documentElement);
  if (theme.adminTheme !== "auto") return;
  theme.adminTheme = "";
  theme.adminTheme = "auto";
});

// Tabs and filters of the theme are links without an address, which the keyboard does not reach.
const WITHOUT_ADDRESS = "a[x-on\\:click]:not([href])";

document.addEventListener("alpine:initialized", () => {
  for (const link of document.querySelectorAll<HTMLElement>(WITHOUT_ADDRESS)) {
    link.tabIndex = 0;
    link.setAttribute("role", "button");
  }
});

document.addEventListener("keydown", (event) => {
  const link = event.target as HTMLElement;
  if ((event.key !== "Enter" && event.key !== " ") || !link.matches(WITHOUT_ADDRESS)) return;
  event.preventDefault();
  link.click();
});

// The groups of the menu stay as somebody left them; the one they are in is open on every page.
const GROUPS = "menuGroups";

function keepGroups(): void {
  let kept: Record<string, boolean> = {};
  try {
    kept = JSON.parse(localStorage.getItem(GROUPS) ?? "{}") as Record<string, boolean>;
  } catch {
    kept = {};
  }
  for (const group of document.querySelectorAll<HTMLDetailsElement>("details[data-menu-group]")) {
    const key = group.dataset.menuGroup!;
    const left = kept[key];
    if (left !== undefined && group.dataset.menuHere === undefined) group.open = left;
    group.querySelector("summary")?.addEventListener("click", () => {
      kept[key] = !group.open;
      localStorage.setItem(GROUPS, JSON.stringify(kept));
    });
  }
}
keepGroups();

// Dialogs of the theme: give them a role and a name, take the focus in, keep it in, give it back.
const FOCUSABLE = "a[href],a[tabindex],button,input:not([type=hidden]),select,textarea";

document.addEventListener("htmx:afterSwap", (event) => {
  const box = event.target as HTMLElement;
  if (box.id !== "modal-content") return;
  const opener = document.activeElement as HTMLElement | null;
  const title = box.querySelector("h1");
  box.setAttribute("role", "dialog");
  box.setAttribute("aria-modal", "true");
  if (title) {
    title.id = "modal-title";
    box.setAttribute("aria-labelledby", "modal-title");
  }
  // The theme shows the dialog after the swap; what is not shown cannot take the focus.
  window.setTimeout(() => box.querySelector<HTMLElement>("input:not([type=hidden]),select,textarea")?.focus(), 50);
  box.onkeydown = (key) => {
    if (key.key !== "Tab") return;
    const stops = [...box.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((stop) => stop.offsetParent);
    const next = stops.indexOf(document.activeElement as HTMLElement) + (key.shiftKey ? -1 : 1);
    key.preventDefault();
    stops[(next + stops.length) % stops.length]?.focus();
  };
  const closing = new MutationObserver(() => {
    if (box.offsetParent) return;
    closing.disconnect();
    opener?.focus();
  });
  window.setTimeout(() => {
    closing.observe(box.parentElement!, { attributes: true, attributeFilter: ["style", "class"] });
  }, 100);
});

export {};
