// Draw a workflow: picture, forms and text say the same. Without this code the text area alone does all of it.
import { button } from "./buttons";
import { type Answer, type Change, Draft, type Facts, type Finding, type Json, type Outcome } from "./editor/draft";
import { type Around, field, type Pick, type Spec, tag, unique } from "./editor/fields";
import { fieldOf } from "./editor/findings";
import { paths } from "./editor/paths";
import { Picture } from "./editor/picture";
import { toolbar } from "./editor/toolbar";
import type { Box, Direction, Drawing, Layout } from "./layout";
import { all, one, say } from "./page";

interface Data {
  kinds: [string, string, string][];
  fields: Record<string, Spec[]>;
  whole: Spec[];
  pickers: Record<string, Pick[]>;
  layout: Layout;
  comments: boolean;
}

const WAIT_FOR_TYPING_MS = 600;

function start(root: HTMLElement): void {
  const data = JSON.parse(one("#editor-data", root)!.textContent!) as Data;
  const form = one<HTMLFormElement>("[data-editor-form]", root)!;
  const text = one<HTMLTextAreaElement>("[data-editor-text]", root)!;
  const panel = one("[data-editor-panel]", root)!;
  const panelTitle = one("[data-editor-panel-title]", root)!;
  const status = one("[data-editor-status]", root)!;
  const words = new Map<string, string>();
  const template = one<HTMLTemplateElement>("[data-editor-words]", root)!;
  for (const span of all("[data-word]", template.content)) words.set(span.dataset.word!, span.textContent ?? "");
  const word = (name: string): string => words.get(name) ?? name;

  const draft = new Draft(root.dataset.check!, one<HTMLInputElement>("[name=csrfmiddlewaretoken]", form)!.value);
  draft.layout = data.layout ?? {};
  let selected = "";
  let drawing: Drawing | null = null;
  let hasComments = data.comments;
  let isMoved = false;

  const picture = new Picture(
    one("[data-editor-view]", root)!,
    {
      choose: (node, byKeyboard) => select(node, byKeyboard),
      remove: (node) => void change({ deed: "remove", node }, word("removed")).then(() => picture.focus(selected)),
      connect: (source, target) => {
        void change({ deed: "connect", node: source, to: target }).then(() => {
          const when = one<HTMLInputElement>("[data-field=next] .editor-way input", panel);
          const empty = all<HTMLInputElement>("[data-field=next] .editor-way input", panel).find((input) => !input.value);
          (empty ?? when)?.focus();
        });
      },
      moved: (layout) => {
        draft.remember();
        draft.layout = layout;
        isMoved = true;
        paint();
        say(word("moved"));
      },
    },
    word("handle"),
  );
  picture.direction = draft.layout.direction ?? "TB";

  const paint = (): void => {
    if (!drawing) return;
    picture.show({ ...drawing, boxes: drawing.boxes.map(withFindings) }, draft.layout, selected);
    tools.refresh();
  };

  const withFindings = (box: Box): Box => {
    const found = draft.findings.filter((finding) => finding.node === box.id);
    if (!found.length) return box;
    const errors = found.filter((finding) => finding.level === "error").length;
    const said = errors ? count(errors) : word("advice").replace("%s", String(found.length));
    return { ...box, state: { key: errors ? "failed" : "waiting", word: said, icon: errors ? "error" : "info" } };
  };

  const count = (errors: number): string => (errors === 1 ? word("errors_one") : word("errors").replace("%s", String(errors)));

  const around: Around = {
    word,
    pick: (what) => data.pickers[what] ?? [],
    nodes: () => Object.entries(draft.nodes).map(([key, facts]) => [key, `${String(facts?.name ?? key)} (${key})`]),
    paths: () => paths(draft),
    facts: () => (selected ? (draft.nodes[selected] ?? {}) : draft.content),
  };

  /** Choose a step, or with '' the workflow itself. */
  function select(node: string, moveFocus: boolean): void {
    selected = draft.nodes[node] ? node : "";
    showPanel();
    paint();
    if (moveFocus) panelTitle.focus();
  }

  /** Show the form of what is chosen; whoever was in it is where they were, or at its head. */
  function showPanel(): void {
    const here = panel.contains(document.activeElement) ? document.activeElement!.closest<HTMLElement>("[data-field]") : undefined;
    fillPanel();
    if (here === undefined) return;
    const again = here?.dataset.field ? one<HTMLElement>(`[data-field="${here.dataset.field}"] :is(input, select, textarea)`, panel) : null;
    (again ?? panelTitle).focus();
  }

  function fillPanel(): void {
    const facts = selected ? draft.nodes[selected]! : draft.content;
    const kind = String(facts.kind ?? "");
    const [, kindWord] = data.kinds.find(([name]) => name === kind) ?? ["", kind];
    panelTitle.textContent = selected ? `${kindWord}: ${String(facts.name ?? selected)}` : word("whole");
    panel.replaceChildren();
    const said = tag("div", { "data-panel-findings": "" });
    panel.append(said);
    showFindingsAt(said);
    for (const spec of selected ? (data.fields[kind] ?? []) : data.whole) {
      panel.append(field(spec, facts[spec.name], around, (value) => void put(selected, spec.name, value)));
    }
    if (selected) panel.append(...stepTools(selected));
  }

  function showFindingsAt(place: HTMLElement): void {
    place.replaceChildren(
      ...draft.findings.filter((finding) => finding.node === selected && selected).map((finding) =>
        tag("p", { class: "portal-note", "data-tone": finding.level === "error" ? "bad" : "wait" }, said(finding)),
      ),
    );
  }

  const said = (finding: Finding): string =>
    `${word(finding.level === "error" ? "error" : "advise")}: ${finding.problem} ${finding.cure}`.trim();

  function stepTools(node: string): HTMLElement[] {
    const to = tag("select", { id: unique("connect") });
    for (const [key, name] of around.nodes()) if (key !== node) to.append(new Option(name, key));
    const connect = button(word("connect_do"), "arrow_forward");
    connect.addEventListener("click", () => void change({ deed: "connect", node, to: to.value }));
    const key = tag("input", { type: "text", id: unique("key"), class: "editor-mono", maxlength: "40", spellcheck: "false" });
    key.value = node;
    const rename = button(word("rename"), "edit");
    rename.addEventListener("click", () => void change({ deed: "rename", node, to: key.value.trim() }));
    const begin = button(word("start"), "play_circle");
    begin.addEventListener("click", () => void change({ deed: "start", node }));
    const remove = button(word("remove"), "delete");
    remove.dataset.tone = "risk";
    remove.addEventListener("click", () => void change({ deed: "remove", node }, word("removed")).then(() => picture.focus(selected)));
    return [
      tag(
        "div",
        { class: "editor-step-tools" },
        ...(draft.nodes[node]?.kind === "end"
          ? []
          : [tag("div", { class: "portal-field" }, tag("label", { for: to.id }, word("connect")), tag("div", { class: "editor-pair" }, to, connect))]),
        tag(
          "div",
          { class: "portal-field" },
          tag("label", { for: key.id }, word("key")),
          tag("p", { class: "portal-small portal-quiet" }, word("key_help")),
          tag("div", { class: "editor-pair" }, key, rename),
        ),
        tag("div", { class: "editor-pair" }, begin, remove),
      ),
    ];
  }

  /** Take over what was typed into a field; the server looks at it, and the field keeps the focus. */
  async function put(node: string, name: string, value: Json | undefined): Promise<void> {
    if (!(await isReadable())) return;
    const written = (facts: Facts): Facts => {
      const { [name]: _old, ...rest } = facts;
      return value === undefined ? rest : { ...facts, [name]: value };
    };
    const outcome = await draft.put((content) => {
      if (!node) return written(content);
      const nodes = (content.nodes ?? {}) as Record<string, Facts>;
      return nodes[node] ? { ...content, nodes: { ...nodes, [node]: written(nodes[node]) } } : content;
    });
    took(outcome, false);
  }

  /** Bring what was just typed into the picture; a text that cannot be read is never overwritten. */
  async function isReadable(): Promise<boolean> {
    if (typing) await readText();
    if (draft.isTextBroken) {
      status.textContent = word("mend_text");
      status.dataset.tone = "bad";
    }
    return !draft.isTextBroken;
  }

  async function change(asked: Change, done = ""): Promise<void> {
    if (!(await isReadable())) return;
    const before = Object.keys(draft.nodes);
    const outcome = await draft.change(asked);
    if ("answer" in outcome) {
      placeNew(before, outcome.answer, asked);
      selected = outcome.answer.focus && draft.nodes[outcome.answer.focus] ? outcome.answer.focus : "";
      if (done) say(done);
    }
    took(outcome, true);
    if ("answer" in outcome && selected) picture.reveal(selected);
  }

  /** Where boxes were put by hand, a new one stands below the step it follows, and another key keeps its place. */
  function placeNew(before: string[], answer: Answer, asked: Change): void {
    const at = draft.layout.at;
    if (!at || !Object.keys(at).length) return;
    if (asked.deed === "rename" && asked.node && at[asked.node]) at[answer.focus] = at[asked.node]!;
    let offset = 1;
    for (const node of Object.keys(draft.nodes).filter((key) => !before.includes(key) && !at[key])) {
      const [x, y] = at[asked.node ?? ""] ?? [160, 60];
      at[node] = draft.layout.direction === "LR" ? [x + 280 * offset, y + 60] : [x + 60, y + 170 * offset];
      offset += 1;
    }
    for (const key of Object.keys(at)) if (!draft.nodes[key]) delete at[key];
  }

  function took(outcome: Outcome, isNewPanel: boolean, isFromText = false): void {
    if ("lost" in outcome) {
      status.textContent = word("lost");
      status.dataset.tone = "bad";
      return;
    }
    if ("refused" in outcome) {
      status.textContent = outcome.refused || word("not_yaml");
      status.dataset.tone = "bad";
      if (isFromText) list(outcome.findings);
      tools.refresh();
      return;
    }
    const { answer } = outcome;
    drawing = answer.drawing;
    if (answer.text !== null) {
      text.value = answer.text;
      hasComments = false;
    }
    const errors = answer.findings.filter((finding) => finding.level === "error").length;
    const losesComments = hasComments && isFromText;
    status.textContent = losesComments ? word("comments") : errors ? count(errors) : word("checked");
    status.dataset.tone = errors ? "bad" : losesComments ? "wait" : "good";
    list(answer.findings);
    changes(answer.changes);
    if (selected && !draft.nodes[selected]) selected = "";
    if (isNewPanel) showPanel();
    else showFindingsAt(one("[data-panel-findings]", panel)!);
    paint();
  }

  function list(findings: Finding[]): void {
    const card = one("[data-editor-findings-card]", root)!;
    card.hidden = findings.length === 0;
    const errors = findings.filter((finding) => finding.level === "error").length;
    one("[data-editor-count]", root)!.textContent = errors ? count(errors) : "";
    one("[data-editor-findings]", root)!.replaceChildren(
      ...findings.map((finding) => {
        const item = tag("li", { "data-level": finding.level });
        if (finding.node && draft.nodes[finding.node]) {
          const name = String(draft.nodes[finding.node]!.name ?? finding.node);
          const go = button(name, finding.level === "error" ? "error" : "info");
          go.addEventListener("click", () => {
            select(finding.node, true);
            picture.reveal(finding.node);
            one<HTMLElement>(`[data-field="${fieldOf(finding, panel)}"] :is(input, select, textarea)`, panel)?.focus();
          });
          item.append(go, " ");
        }
        item.append(said(finding));
        return item;
      }),
    );
  }

  function changes(sentences: string[]): void {
    one("[data-editor-changes-card]", root)!.hidden = sentences.length === 0;
    one("[data-editor-changes]", root)!.replaceChildren(...sentences.map((sentence) => tag("li", {}, sentence)));
  }

  const arrange = (direction: Direction): void => {
    draft.remember();
    picture.direction = direction;
    draft.layout = { direction, at: {} };
    isMoved = true;
    paint();
  };
  const tools = toolbar(one("[data-editor-tools]", root)!, data.kinds, word, {
    add: (kind) => {
      void change({ deed: "add", node: selected, to: kind }, word("added")).then(() => {
        one<HTMLInputElement>("[data-field=name] input", panel)?.focus();
        one<HTMLInputElement>("[data-field=name] input", panel)?.select();
      });
    },
    step,
    arrange: () => arrange(picture.direction),
    turn: arrange,
    whole: () => select("", true),
    now: () => ({
      canUndo: draft.canUndo || draft.isTextBroken,
      canRedo: draft.canRedo,
      direction: picture.direction,
    }),
  });

  function step(isBack: boolean): void {
    // A text that cannot be read is what undo takes back first.
    if (!draft.isTextBroken && !(isBack ? draft.back() : draft.forth())) return;
    window.clearTimeout(typing);
    typing = 0;
    picture.direction = draft.layout.direction ?? picture.direction;
    isMoved = true;
    void draft.check().then((outcome) => {
      took(outcome, true);
      say(word(isBack ? "undone" : "redone"));
    });
  }

  let typing = 0;
  const readText = async (isFirst = false): Promise<void> => {
    window.clearTimeout(typing);
    typing = 0;
    hasComments = text.value.split("\n").some((row) => row.trimStart().startsWith("#"));
    took(await draft.read(text.value, isFirst), true, true);
  };
  text.addEventListener("input", () => {
    window.clearTimeout(typing);
    typing = window.setTimeout(() => void readText(), WAIT_FOR_TYPING_MS);
  });
  document.addEventListener("keydown", (event) => {
    const isTold = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "z";
    const target = event.target as HTMLElement;
    if (!isTold || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
    event.preventDefault();
    step(!event.shiftKey);
  });
  let isSent = false;
  form.addEventListener("submit", (event) => {
    const layout = one<HTMLInputElement>("[data-editor-layout]", form)!;
    if (isMoved) layout.value = JSON.stringify(picture.frozen());
    isSent = true;
    if (!draft.isAhead || typing || draft.isTextBroken) return;
    // What was drawn is not in the text yet: it is brought there first, and nothing is sent without it.
    event.preventDefault();
    isSent = false;
    void draft.check().then((outcome) => {
      took(outcome, false);
      if ("answer" in outcome) form.requestSubmit();
    });
  });
  const before = { text: text.value };
  window.addEventListener("beforeunload", (event) => {
    if (!isSent && (text.value !== before.text || draft.canUndo)) event.preventDefault();
  });

  for (const part of all("[data-editor-top], [data-editor-middle]", root)) part.hidden = false;
  void readText(true).then(() => {
    showPanel();
    tools.refresh();
  });
}

const root = one("[data-page=workflow-editor]");
if (root) start(root);
