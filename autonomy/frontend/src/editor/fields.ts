// The form of a step: one small control for each kind of field that the server names.
import type { Facts, Json } from "./draft";
import { cels, ways } from "./rows";
import { schemaField } from "./schema";

export interface Spec {
  name: string;
  type: string;
  label: string;
  help: string;
  required: boolean;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  choices?: [string, string][];
  fields?: Spec[];
}

export interface Member {
  name: string;
  title: string;
  required: boolean;
}

export interface Pick {
  code: string;
  name: string;
  members?: Member[];
}

/** What every field may need to know: the words of the page, what to pick from, and what is around the step. */
export interface Around {
  word: (name: string) => string;
  pick: (what: "roles" | "departments" | "groups" | "operations" | "workflows") => Pick[];
  nodes: () => [string, string][];
  paths: () => [string, string][];
  facts: () => Facts;
}

export type Taken = (value: Json | undefined) => void;

let made = 0;
export const unique = (name: string): string => `field-${name}-${(made += 1)}`;

export function tag<K extends keyof HTMLElementTagNameMap>(
  name: K,
  facts: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const found = document.createElement(name);
  for (const [key, value] of Object.entries(facts)) found.setAttribute(key, value);
  found.append(...children);
  return found;
}

/** A label, a word of help and a control, as all forms of the portal have them. */
export function labelled(spec: Pick2, control: HTMLElement, id: string, around: Around): HTMLElement {
  const label = tag("label", { for: id }, spec.label);
  if (spec.required) label.append(" ", tag("span", { class: "portal-required" }, around.word("required")));
  const field = tag("div", { class: "portal-field", "data-field": spec.name }, label);
  if (spec.help) {
    const help = tag("p", { class: "portal-small portal-quiet", id: `${id}-help` }, spec.help);
    field.append(help);
    control.setAttribute("aria-describedby", help.id);
  }
  control.id = id;
  field.append(control);
  return field;
}

type Pick2 = { name: string; label: string; help: string; required: boolean };

export function grouped(spec: Spec, around: Around, ...children: Node[]): HTMLElement {
  const legend = tag("legend", {}, spec.label);
  if (spec.required) legend.append(" ", tag("span", { class: "portal-required" }, around.word("required")));
  const found = tag("fieldset", { class: "portal-field editor-group", "data-field": spec.name }, legend);
  if (spec.help) found.append(tag("p", { class: "portal-small portal-quiet" }, spec.help));
  found.append(...children);
  return found;
}

export function field(spec: Spec, value: Json | undefined, around: Around, take: Taken): HTMLElement {
  return (KINDS[spec.type] ?? asJson)(spec, value, around, take);
}

export type Kind = (spec: Spec, value: Json | undefined, around: Around, take: Taken) => HTMLElement;

export const asText = (value: Json | undefined): string => (value === undefined || value === null ? "" : String(value));

const line: Kind = (spec, value, around, take) => {
  const input = tag("input", { type: "text", maxlength: String(spec.maxLength ?? 2000) });
  input.value = asText(value);
  input.addEventListener("change", () => take(input.value || undefined));
  return labelled(spec, input, unique(spec.name), around);
};

const number: Kind = (spec, value, around, take) => {
  const input = tag("input", { type: "number", step: "1" });
  if (spec.minimum !== undefined) input.min = String(spec.minimum);
  if (spec.maximum !== undefined) input.max = String(spec.maximum);
  input.value = asText(value);
  input.addEventListener("change", () => take(input.value === "" ? undefined : Math.round(Number(input.value))));
  return labelled(spec, input, unique(spec.name), around);
};

const share: Kind = (spec, value, around, take) => {
  const input = tag("input", { type: "text", maxlength: "6" });
  input.value = asText(value);
  input.addEventListener("change", () => {
    const text = input.value.trim();
    take(text === "" ? undefined : /^\d+$/.test(text) ? Number(text) : text);
  });
  return labelled(spec, input, unique(spec.name), around);
};

const UNITS: [string, number][] = [["days", 86_400], ["hours", 3_600], ["minutes", 60], ["seconds", 1]];

const duration: Kind = (spec, value, around, take) => {
  const seconds = typeof value === "number" ? value : 0;
  const fits = UNITS.find(([, size]) => seconds > 0 && seconds % size === 0) ?? ["hours", 3_600];
  const id = unique(spec.name);
  const input = tag("input", { type: "number", min: "0", step: "1", class: "editor-short" });
  input.value = seconds ? String(seconds / fits[1]) : "";
  const unit = tag("select", { "aria-label": `${spec.label}: ${around.word("unit")}` });
  for (const [name, size] of UNITS) unit.append(new Option(around.word(name), String(size), false, name === fits[0]));
  const told = (): void => take(input.value ? Math.round(Number(input.value) * Number(unit.value)) : undefined);
  input.addEventListener("change", told);
  unit.addEventListener("change", told);
  const found = labelled(spec, input, id, around);
  found.append(tag("div", { class: "editor-pair" }, input, unit));
  return found;
};

const flag: Kind = (spec, value, _around, take) => {
  const input = tag("input", { type: "checkbox", id: unique(spec.name) });
  input.checked = value === true;
  input.addEventListener("change", () => take(input.checked ? true : undefined));
  const label = tag("label", { for: input.id, class: "editor-check" }, input, ` ${spec.label}`);
  return tag("div", { class: "portal-field", "data-field": spec.name }, label);
};

export function select(options: [string, string][], value: Json | undefined, none: string | null): HTMLSelectElement {
  const found = tag("select");
  if (none !== null) found.append(new Option(none, ""));
  const text = asText(value);
  const known = options.some(([code]) => code === text);
  for (const [code, name] of known || !text ? options : [...options, [text, text] as [string, string]]) {
    found.append(new Option(name, code, false, code === text));
  }
  return found;
}

const choice: Kind = (spec, value, around, take) => {
  const found = select(spec.choices ?? [], value, around.word("none"));
  found.addEventListener("change", () => take(found.value || undefined));
  return labelled(spec, found, unique(spec.name), around);
};

const node: Kind = (spec, value, around, take) => {
  const found = select(around.nodes(), value, around.word("none"));
  found.addEventListener("change", () => take(found.value || undefined));
  return labelled(spec, found, unique(spec.name), around);
};

const nodes: Kind = (spec, value, around, take) =>
  boxes(spec, value, around.nodes(), around, take);

function boxes(spec: Spec, value: Json | undefined, from: [string, string][], around: Around, take: Taken): HTMLElement {
  const chosen = new Set(Array.isArray(value) ? value.map(asText) : []);
  const offered = [...from, ...[...chosen].filter((one) => !from.some(([code]) => code === one)).map((one) => [one, one] as [string, string])];
  const list = tag("div", { class: "editor-boxes" });
  for (const [code, name] of offered) {
    const input = tag("input", { type: "checkbox", id: unique(spec.name) });
    input.checked = chosen.has(code);
    input.addEventListener("change", () => {
      if (input.checked) chosen.add(code);
      else chosen.delete(code);
      take(chosen.size ? offered.map(([one]) => one).filter((one) => chosen.has(one)) : undefined);
    });
    list.append(tag("label", { for: input.id, class: "editor-check" }, input, ` ${name}`));
  }
  return grouped(spec, around, list);
}

/** A text with what it may be offered as one types. */
export function offered(options: [string, string][], value: Json | undefined, mono = false): [HTMLInputElement, HTMLElement] {
  const list = tag("datalist", { id: unique("list") });
  for (const [code, name] of options) list.append(tag("option", { value: code, label: name }));
  const input = tag("input", { type: "text", list: list.id, autocomplete: "off", spellcheck: "false" });
  if (mono) input.className = "editor-mono";
  input.value = asText(value);
  return [input, list];
}

const picked = (what: Parameters<Around["pick"]>[0]): Kind => (spec, value, around, take) => {
  const [input, list] = offered(around.pick(what).map(({ code, name }) => [code, name]), value);
  input.addEventListener("change", () => take(input.value.trim() || undefined));
  const found = labelled(spec, input, unique(spec.name), around);
  found.append(list);
  return found;
};

const groups: Kind = (spec, value, around, take) =>
  boxes(spec, value, around.pick("groups").map(({ code, name }) => [code, name]), around, take);

const group: Kind = (spec, value, around, take) => {
  const found = select(around.pick("groups").map(({ code, name }) => [code, name]), value, around.word("none"));
  found.addEventListener("change", () => take(found.value || undefined));
  return labelled(spec, found, unique(spec.name), around);
};

const cel: Kind = (spec, value, around, take) => {
  const [input, list] = offered(around.paths(), value, true);
  input.addEventListener("change", () => take(input.value || undefined));
  const found = labelled(spec, input, unique(spec.name), around);
  found.append(list);
  return found;
};

const texts: Kind = (spec, value, around, take) => {
  const area = tag("textarea", { rows: "3" });
  area.value = Array.isArray(value) ? value.map(asText).join("\n") : "";
  area.addEventListener("change", () => {
    const found = area.value.split("\n").map((one) => one.trim()).filter(Boolean);
    take(found.length ? found : undefined);
  });
  return labelled(spec, area, unique(spec.name), around);
};

const isFacts = (value: Json | undefined): value is Facts => !!value && typeof value === "object" && !Array.isArray(value);

const undo: Kind = (spec, value, around, take) => {
  const now = value === "none" ? "none" : isFacts(value) ? "with" : "";
  const how = select([["none", around.word("undo_none")], ["with", around.word("undo_with")]], now, around.word("undo_unsaid"));
  const facts: Facts = isFacts(value) ? { ...value } : {};
  const inside = tag("div", { class: "editor-inside" });
  const paint = (): void => {
    inside.replaceChildren();
    if (how.value !== "with") return;
    const part = (name: string, type: string, label: string): HTMLElement =>
      field({ name, type, label, help: "", required: name === "operation" }, facts[name], { ...around, facts: () => facts }, (told) => {
        if (told === undefined) delete facts[name];
        else facts[name] = told;
        take({ ...facts });
      });
    inside.append(part("operation", "operation", around.word("undo_operation")), part("arguments", "cels", around.word("value")));
  };
  how.addEventListener("change", () => {
    take(how.value === "none" ? "none" : how.value === "with" ? { operation: "", ...facts } : undefined);
    paint();
  });
  paint();
  const found = labelled(spec, how, unique(spec.name), around);
  found.append(inside);
  return found;
};

const whenDown: Kind = (spec, value, around, take) => {
  const now = isFacts(value) ? "to" : asText(value);
  const how = select(
    [["queue", around.word("down_queue")], ["person", around.word("down_person")], ["to", around.word("down_to")]],
    now,
    around.word("none"),
  );
  const to = select(around.nodes(), isFacts(value) ? value.to : "", around.word("none"));
  to.setAttribute("aria-label", around.word("down_to"));
  const told = (): void => {
    to.hidden = how.value !== "to";
    take(how.value === "to" ? { to: to.value } : how.value || undefined);
  };
  to.hidden = now !== "to";
  how.addEventListener("change", told);
  to.addEventListener("change", told);
  const found = labelled(spec, how, unique(spec.name), around);
  found.append(to);
  return found;
};

const need: Kind = (spec, value, around, take) => {
  const now = typeof value === "number" ? "some" : asText(value);
  const how = select([["all", around.word("need_all")], ["any", around.word("need_any")], ["some", around.word("need_some")]], now, around.word("none"));
  const many = tag("input", { type: "number", min: "1", class: "editor-short", "aria-label": around.word("count") });
  many.value = typeof value === "number" ? String(value) : "1";
  const told = (): void => {
    many.hidden = how.value !== "some";
    take(how.value === "some" ? Math.max(1, Math.round(Number(many.value) || 1)) : how.value || undefined);
  };
  many.hidden = now !== "some";
  how.addEventListener("change", told);
  many.addEventListener("change", told);
  const found = labelled(spec, how, unique(spec.name), around);
  found.append(many);
  return found;
};

/** Several fields that are one member; it goes when all of them are empty. */
const groupOf: Kind = (spec, value, around, take) => {
  const facts: Facts = isFacts(value) ? { ...value } : {};
  const parts = (spec.fields ?? []).map((part) =>
    field(part, facts[part.name], around, (told) => {
      if (told === undefined) delete facts[part.name];
      else facts[part.name] = told;
      take(Object.keys(facts).length ? { ...facts } : undefined);
    }),
  );
  const details = tag("details", { class: "editor-more" }, tag("summary", {}, spec.label), ...parts);
  details.open = Object.keys(facts).length > 0;
  return tag("div", { class: "portal-field", "data-field": spec.name }, details);
};

const asJson: Kind = (spec, value, around, take) => {
  const area = tag("textarea", { rows: "6", spellcheck: "false", class: "portal-code editor-mono" });
  area.value = value === undefined ? "" : JSON.stringify(value, null, 2);
  const wrong = tag("p", { class: "portal-error", role: "alert" });
  area.addEventListener("change", () => {
    wrong.textContent = "";
    if (!area.value.trim()) return take(undefined);
    try {
      take(JSON.parse(area.value) as Json);
    } catch {
      wrong.textContent = around.word("json_wrong");
    }
  });
  const found = labelled({ ...spec, label: `${spec.label} (${around.word("json")})` }, area, unique(spec.name), around);
  found.append(wrong);
  return found;
};

const schema: Kind = (spec, value, around, take) =>
  schemaField(spec, value, around, take, (body) => grouped(spec, around, body)) ?? asJson(spec, value, around, take);

const KINDS: Record<string, Kind> = {
  text: line,
  number,
  number_or_share: share,
  duration,
  flag,
  choice,
  node,
  nodes,
  role: picked("roles"),
  department: picked("departments"),
  operation: picked("operations"),
  workflow: picked("workflows"),
  groups,
  group,
  cel,
  cels,
  texts,
  ways,
  undo,
  when_down: whenDown,
  need,
  group_of: groupOf,
  schema,
};
