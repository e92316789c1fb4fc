// The row of buttons above the picture.
import { button } from "../buttons";
import type { Direction } from "../layout";
import { tag, unique } from "./fields";

export interface ToolDeeds {
  add(kind: string): void;
  step(isBack: boolean): void;
  arrange(): void;
  turn(direction: Direction): void;
  whole(): void;
  now(): { canUndo: boolean; canRedo: boolean; direction: Direction };
}

export function toolbar(
  place: HTMLElement,
  kinds: [string, string, string][],
  word: (name: string) => string,
  deeds: ToolDeeds,
): { refresh(): void } {
  const kind = tag("select", { id: unique("kind") });
  for (const [code, name] of kinds) kind.append(new Option(name, code));
  const add = button(word("add"), "add");
  add.title = word("add_hint");
  add.addEventListener("click", () => deeds.add(kind.value));
  const undo = button(word("undo"), "undo");
  const redo = button(word("redo"), "redo");
  undo.addEventListener("click", () => deeds.step(true));
  redo.addEventListener("click", () => deeds.step(false));
  const arrange = button(word("arrange"), "auto_fix_high");
  arrange.addEventListener("click", () => deeds.arrange());
  const down = button(word("down"), "arrow_downward", false);
  const across = button(word("across"), "arrow_forward", false);
  down.addEventListener("click", () => deeds.turn("TB"));
  across.addEventListener("click", () => deeds.turn("LR"));
  const whole = button(word("whole"), "tune");
  whole.addEventListener("click", () => deeds.whole());
  const label = tag("label", { for: kind.id, class: "portal-hidden" }, word("add_kind"));
  place.append(label, kind, add, undo, redo, arrange, across, down, whole);
  return {
    refresh: () => {
      const { canUndo, canRedo, direction } = deeds.now();
      undo.setAttribute("aria-disabled", String(!canUndo));
      redo.setAttribute("aria-disabled", String(!canRedo));
      down.setAttribute("aria-pressed", String(direction === "TB"));
      across.setAttribute("aria-pressed", String(direction === "LR"));
    },
  };
}
