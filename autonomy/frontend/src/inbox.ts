// The approval inbox: live list, keyboard, and where the focus goes. Without it every link and form still works.
import { onNews, type Summary } from "./live";
import { all, isTyping, one, plural, say } from "./page";
import { refreshTimes } from "./times";

export function inbox(root: HTMLElement): void {
  const list = one("[data-inbox-list]", root)!;
  const more = one<HTMLButtonElement>("[data-inbox-more]", root)!;
  const help = one<HTMLDialogElement>("[data-inbox-keys]", root);
  let mark = list.dataset.mark ?? "";

  const rows = () => all("[data-approval]", list);
  const links = () => all<HTMLAnchorElement>("[data-approval] a", list);
  const current = () => rows().findIndex((row) => row.hasAttribute("aria-current"));

  const select = (row: HTMLElement | undefined) => {
    for (const other of rows()) other.removeAttribute("aria-current");
    row?.setAttribute("aria-current", "true");
  };
  const open = (index: number) => {
    const row = rows()[Math.max(0, Math.min(index, rows().length - 1))];
    if (!row) return;
    const link = one<HTMLAnchorElement>("a", row)!;
    link.focus();
    link.click();
    row.scrollIntoView({ block: "nearest" });
  };

  async function refresh(): Promise<void> {
    const focused = document.activeElement?.closest<HTMLElement>("[data-approval]")?.id;
    const opened = rows()[current()]?.id;
    await window.htmx.ajax("GET", list.dataset.address!, { target: list, swap: "innerHTML" });
    more.hidden = true;
    refreshTimes(list);
    if (opened) select(document.getElementById(opened) ?? undefined);
    if (focused) one("a", document.getElementById(focused) ?? list)?.focus();
  }

  // New rows never move the list under somebody's pointer or focus: then a button brings them in.
  const isBusy = () => list.matches(":hover") || list.contains(document.activeElement);

  onNews(async (summary: Summary) => {
    if (summary.inbox === mark) return;
    const before = rows().length;
    mark = summary.inbox;
    const now = summary.counts.inbox ?? 0;
    if (now > before && isBusy() && before > 0) {
      more.hidden = false;
      more.textContent = `${now - before} new: show`;
    } else {
      await refresh();
    }
    say(`${plural(now, "request")} waiting for you`);
  });
  more.addEventListener("click", () => void refresh());

  list.addEventListener("click", (event) => {
    const row = (event.target as Element).closest<HTMLElement>("[data-approval]");
    if (row) select(row);
  });

  // After a decision the next request opens and keeps the focus, so that a queue can be cleared without leaving.
  document.body.addEventListener("portal:decided", (event) => {
    const { approval, sentence } = (event as CustomEvent<{ approval: string; sentence: string }>).detail;
    const index = rows().findIndex((row) => row.dataset.approval === approval);
    say(sentence);
    if (index < 0) return;
    rows()[index]?.remove();
    const next = links()[Math.min(index, links().length - 1)];
    if (next) {
      select(next.closest<HTMLElement>("[data-approval]") ?? undefined);
      next.focus();
    } else {
      void refresh();
    }
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    refreshTimes(root);
    if ((event.target as Element).id !== "inbox-detail") return;
    // On a narrow screen the opened request comes first and the list follows it.
    root.toggleAttribute("data-open", true);
    if (window.matchMedia("(max-width: 60rem)").matches) (event.target as Element).scrollIntoView();
  });

  const keys: Record<string, () => void> = {
    j: () => open(current() + 1),
    ArrowDown: () => open(current() + 1),
    k: () => open(current() - 1),
    ArrowUp: () => open(current() - 1),
    a: () => one("[data-decide=approve]", root)?.focus(),
    r: () => one("[data-decide=reason]", root)?.focus(),
    u: () => !more.hidden && more.click(),
    "?": () => help?.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && (event.target as Element).matches("[data-decide=reason]")) {
      links()[Math.max(0, current())]?.focus();
      return;
    }
    if (isTyping(event) || help?.open) return;
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  one("[data-inbox-help]", root)?.addEventListener("click", () => help?.showModal());
}
