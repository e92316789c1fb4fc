// The approval inbox: live list, keyboard, and where the focus goes. Without it every link and form still works.
import { onKeys } from "./keys";
import { onNews, type Summary } from "./live";
import { all, one, say } from "./page";
import { refreshTimes } from "./times";

const FRESHEN_MS = 2_000;
const ROOM_ABOVE = 12; // pixels that stay above what is unfolded

export function inbox(root: HTMLElement): void {
  const list = one("[data-inbox-list]", root)!;
  const more = one<HTMLButtonElement>("[data-inbox-more]", root)!;
  let mark = list.dataset.mark ?? "";
  let known = list.dataset.shelf === "mine" ? list.querySelectorAll("[data-approval]").length : 0;

  const rows = () => all("[data-approval]", list);
  const links = () => all<HTMLAnchorElement>("[data-approval] a", list);
  const current = () => rows().findIndex((row) => row.hasAttribute("aria-current"));
  const shown = () => one("[data-detail]", root)?.dataset.detail;
  const isNarrow = () => window.matchMedia("(max-width: 60rem)").matches;

  const select = (row: HTMLElement | undefined) => {
    for (const other of rows()) other.removeAttribute("aria-current");
    row?.setAttribute("aria-current", "true");
  };
  let asked: string | undefined; // what was opened last: it may still be on its way
  const open = (index: number) => {
    const row = rows()[Math.max(0, Math.min(index, rows().length - 1))];
    if (!row) return;
    const link = one<HTMLAnchorElement>("a", row)!;
    asked = row.dataset.approval;
    link.focus();
    link.click();
    if (!isNarrow()) row.scrollIntoView({ block: "nearest" });
  };
  // After a decision the next row is chosen but not open yet: that one is the next step, not the one after it.
  const step = (by: number) => {
    const at = current();
    const key = rows()[at]?.dataset.approval;
    const isOpen = at < 0 || key === shown() || key === asked;
    open(isOpen ? at + by : at);
  };

  // Of several that are asked for one after the other, only the last is shown; it may not be the last to come.
  let last: XMLHttpRequest | null = null;
  let isComing = false;
  let isOpening = false; // another request is on its way, not the answer to what was done with this one
  const pane = one("#inbox-detail", root)!;
  let meant: (() => void) | null = null;
  // The request itself says that it is over: the row that sent it may be gone, and nobody hears what a row says then.
  const over = (xhr: XMLHttpRequest) => {
    if (xhr !== last) return;
    isComing = false;
    pane.inert = false;
    pane.removeAttribute("aria-busy");
    // What did not come leaves the one before it open: the list says so, too.
    if (isOpening && xhr.status !== 200) select(rows().find((row) => row.dataset.approval === shown()));
    meant?.();
    meant = null;
  };
  type Sent = {
    target?: Element;
    xhr: XMLHttpRequest;
    shouldSwap: boolean;
    successful: boolean;
    requestConfig: { verb: string };
  };
  const sent = (name: string, heard: (about: Sent) => void) =>
    document.body.addEventListener(name, (event) => {
      const about = (event as CustomEvent<Sent>).detail;
      if (about.target?.id === "inbox-detail") heard(about);
    });
  sent("htmx:beforeSend", ({ xhr, requestConfig }) => {
    last = xhr;
    isComing = true;
    isOpening = requestConfig.verb === "get";
    // Until it is there nobody decides on what was open before: the list names another one already.
    pane.inert = isOpening;
    if (isOpening) pane.setAttribute("aria-busy", "true");
    xhr.addEventListener("loadend", () => over(xhr));
  });
  sent("htmx:beforeSwap", (about) => (about.shouldSwap &&= about.xhr === last));

  // Where the focus is, and what is chosen, is asked in the moment the rows change and given back in the same: a
  // decision may have moved both since they were asked for, and nobody can press a key in between.
  let held: {
    focused: string | undefined;
    opened: string | undefined;
    at: number;
    chosen: string[];
    keys: (string | undefined)[];
    gone: (string | undefined)[];
  };
  const hold = () => {
    const at = current();
    const focused = document.activeElement?.closest<HTMLElement>("[data-approval]")?.id;
    const chosen = all<HTMLInputElement>("input[name=only]:checked", list).map((box) => box.value);
    const keys = rows().map((row) => row.dataset.approval);
    held = { focused, opened: rows()[at]?.id, at, chosen, keys, gone: [] };
  };
  const giveBack = () => {
    const { focused, opened, at, chosen } = held;
    for (const box of all<HTMLInputElement>("input[name=only]", list)) box.checked = chosen.includes(box.value);
    tally();
    // What somebody else has decided is gone: its place, and the focus, go to the row that followed it.
    if (opened) select(document.getElementById(opened) ?? rows()[Math.min(at, rows().length - 1)]);
    if (focused) one("a", document.getElementById(focused) ?? rows()[Math.max(0, current())] ?? list)?.focus();
    tellIfGone();
  };
  // New rows never move the list under somebody's pointer or focus: then a button brings them in. Only what came says
  // whether there are any: what was counted before may be older than it.
  const isBusy = () => list.matches(":hover") || list.contains(document.activeElement);
  let isWanted = false;
  // Where a list goes on, its first page says nothing of what stands further down: that is not gone.
  const judge = (xhr: XMLHttpRequest): { fresh: number; isCut: boolean } => {
    const answer = new DOMParser().parseFromString(xhr.responseText, "text/html");
    const coming = all("[data-approval]", answer).map((row) => row.dataset.approval);
    const goesOn = one(".portal-inbox-on", answer) !== null;
    const both = held.keys.map((key, at) => (coming.includes(key) ? at : -1));
    const upto = goesOn ? Math.max(-1, ...both) : held.keys.length - 1;
    held.gone = held.keys.slice(0, upto + 1).filter((key) => !coming.includes(key));
    const fresh = coming.filter((key) => !held.keys.includes(key)).length;
    return { fresh, isCut: upto < held.keys.length - 1 };
  };
  list.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target !== list) return;
    hold();
    const about = (event as CustomEvent<Sent>).detail;
    if (!about.shouldSwap) return;
    const { fresh, isCut } = judge(about.xhr);
    if (isWanted || held.keys.length === 0 || !isBusy() || (fresh === 0 && !isCut)) return;
    about.shouldSwap = false;
    for (const row of rows()) if (held.gone.includes(row.dataset.approval)) row.remove();
    giveBack();
    more.textContent = (more.dataset.new ?? "").replace("%n", String(fresh));
    more.hidden = fresh === 0;
  });
  list.addEventListener("htmx:afterSwap", (event) => {
    if (event.target !== list) return;
    more.hidden = true;
    isWanted = false;
    giveBack();
  });

  // The list asks as itself: what other parts of the page ask for neither waits for it nor is dropped for it.
  const refresh = () =>
    window.htmx.ajax("GET", list.dataset.address!, { source: list, target: list, swap: "innerHTML" });

  // Say so when what is open was decided elsewhere; it stays as it is, so that nobody loses what they typed. What one
  // has put off oneself, or what never stood on this list, is not gone: only the way on is offered.
  function tellIfGone(): void {
    const gone = one("[data-gone]", root);
    const key = shown();
    if (!gone || list.dataset.shelf !== "mine" || !held.gone.includes(key)) return;
    if (one("[data-put-off]", root)) {
      const onwards = one<HTMLButtonElement>("[data-decide=next]", root);
      if (onwards) onwards.hidden = rows().length === 0;
      return;
    }
    if (gone.hidden) say(gone.querySelector("p")?.textContent ?? "");
    gone.hidden = false;
  }

  onNews(async (summary: Summary) => {
    if (summary.inbox === mark) return;
    mark = summary.inbox;
    const now = summary.counts.inbox ?? 0;
    await refresh();
    // What one has just decided is being read out: that fewer wait now is no news to anybody.
    if (now > known) say((more.dataset.waiting ?? "").replace("%n", String(now)));
    known = now;
  });
  // What was asked for and did not come is not wanted for ever: what comes later waits behind the button again.
  list.addEventListener("htmx:afterRequest", (event) => {
    if (event.target === list && !(event as CustomEvent<Sent>).detail.successful) isWanted = false;
  });
  more.addEventListener("click", () => {
    isWanted = true;
    void refresh();
  });

  list.addEventListener("click", (event) => {
    const row = (event.target as Element).closest<HTMLElement>("[data-approval]");
    if (!row) return;
    select(row);
    if ((event.target as Element).closest("a")) asked = row.dataset.approval;
  });

  // After a decision the next request opens and keeps the focus, so that a queue can be cleared without leaving.
  document.body.addEventListener("portal:decided", (event) => {
    const { approval, sentence } = (event as CustomEvent<{ approval: string; sentence: string }>).detail;
    const index = rows().findIndex((row) => row.dataset.approval === approval);
    say(sentence);
    if (list.dataset.shelf !== "mine") return;
    // The live list may have heard of it before this answer came: then the row that followed is chosen already.
    rows()[index]?.remove();
    const next = links()[Math.min(index < 0 ? Math.max(0, current()) : index, links().length - 1)];
    if (!next) {
      void refresh();
      return;
    }
    select(next.closest<HTMLElement>("[data-approval]") ?? undefined);
    const onwards = one<HTMLButtonElement>("[data-decide=next]", root);
    if (onwards) onwards.hidden = false;
    // On a narrow screen the list is far below: the way on is beside the word that it is done.
    if (onwards && isNarrow()) onwards.focus();
    else next.focus();
  });
  root.addEventListener("click", (event) => {
    if ((event.target as Element).closest("[data-decide=next]")) open(current());
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    refreshTimes(root);
    if ((event.target as Element).id !== "inbox-detail") return;
    // On a narrow screen the opened request comes first and the list follows it.
    root.toggleAttribute("data-open", true);
    if (isNarrow()) (event.target as Element).scrollIntoView();
    else (event.target as Element).scrollTop = 0;
    // A refused decision took the focus with it: it comes back to the reason, or to the words of the refusal.
    if (one("#refused", root)) {
      const wrong = one("[data-wrong] :is(input, select, textarea)", root);
      (wrong ?? one("[data-decide=reason]", root) ?? one("#refused", root))?.focus();
    }
  });

  // What is in a fold further up is brought to hand by its link in the bar.
  const unfold = (...ids: string[]) => {
    const fold = ids.map((id) => one<HTMLDetailsElement>(`#${CSS.escape(id)}`, root)).find(Boolean);
    if (!fold) return;
    fold.open = true;
    one(":is(input, textarea, select, button):not([type=hidden])", fold)?.focus({ preventScroll: true });
    if (isNarrow()) fold.scrollIntoView({ block: "start" });
    else pane.scrollTop += fold.getBoundingClientRect().top - pane.getBoundingClientRect().top - ROOM_ABOVE;
  };
  root.addEventListener("click", (event) => {
    const link = (event.target as Element).closest<HTMLAnchorElement>("a[data-fold]");
    if (!link) return;
    event.preventDefault();
    unfold(link.hash.slice(1));
  });

  // Only what is alike is decided together: the first that is chosen says with what.
  const bulk = one<HTMLFormElement>("[data-inbox-bulk]", root);
  function tally(): void {
    const boxes = all<HTMLInputElement>("input[name=only]", list);
    const chosen = boxes.filter((box) => box.checked);
    const shapeOf = (box: Element) => box.closest<HTMLElement>("[data-approval]")?.dataset.shape;
    for (const box of boxes) box.disabled = chosen.length > 0 && shapeOf(box) !== shapeOf(chosen[0]!);
    if (!bulk) return;
    bulk.hidden = chosen.length === 0;
    const said = one("[data-chosen]", bulk)!;
    said.hidden = false;
    said.textContent = (said.dataset.chosen ?? "").replace("%n", String(chosen.length));
  }
  list.addEventListener("change", tally);
  tally();
  const choose = () => {
    const focused = document.activeElement?.closest<HTMLElement>("[data-approval]");
    const row = focused ?? rows()[Math.max(0, current())];
    const box = row && one<HTMLInputElement>("input[name=only]", row);
    if (!box || box.disabled) {
      say(list.dataset.alone ?? "");
      return;
    }
    box.checked = !box.checked;
    tally();
    say(box.closest("label")?.textContent?.trim() ?? "");
  };

  // Somebody took it, gave it back, handed it on or put it off: the list says so, too.
  document.body.addEventListener("portal:moved", (event) => {
    say((event as CustomEvent<{ sentence: string }>).detail.sentence);
    void refresh();
  });

  // What comes may be of another request than what is still shown: a key for it waits until it is there.
  const onceThere = (act: () => void) => () => {
    if (isComing) meant = act;
    else act();
  };
  const focus = (name: string) => onceThere(() => one(`[data-decide=${name}]`, root)?.focus());
  // What is grave is typed first; what has been typed already is approved.
  const approve = onceThere(() => {
    const typed = one<HTMLInputElement>("[data-decide=typed]", root);
    if (typed && !typed.value) typed.focus();
    else one("[data-decide=approve]", root)?.focus();
  });

  // While an answer is waited for, or what was approved is being done, those parts are read again; nothing else is.
  let freshened = 0;
  const freshen = async () => {
    const article = one("[data-detail]", root);
    const key = shown();
    if (!article?.querySelector("[data-awaits]") || isComing || Date.now() - freshened < FRESHEN_MS) return;
    freshened = Date.now();
    const answer = await fetch(article.dataset.address!, { headers: { "HX-Request": "true" } });
    if (!answer.ok || shown() !== key || isComing) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of all("[data-fresh]", article)) {
      const now = fresh.getElementById(part.id);
      if (now) part.replaceWith(document.importNode(now, true));
    }
    refreshTimes(root);
  };
  onNews(freshen);
  const next = () => step(1);
  onKeys(
    {
      j: next,
      ArrowDown: next,
      k: () => step(-1),
      ArrowUp: () => step(-1),
      n: next,
      x: choose,
      a: approve,
      r: focus("reason"),
      m: onceThere(() => one("[data-decide=modify]", root)?.click()),
      d: onceThere(() => unfold("fold-hand", "pass_on")),
      s: onceThere(() => unfold("fold-snooze")),
      c: onceThere(() => one("[data-decide=claim]", root)?.click()),
      u: () => !more.hidden && more.click(),
      "/": () => one("[data-search]", root)?.focus(),
    },
    () => (links()[Math.max(0, current())] ?? list).focus(),
  );
}
