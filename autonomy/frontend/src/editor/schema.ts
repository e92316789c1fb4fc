// The fields of a form or an answer, as rows; a schema that says more than rows can hold is shown as JSON.
import { button } from "../buttons";
import type { Facts, Json } from "./draft";
import { type Around, type Spec, type Taken, tag, unique } from "./fields";

const MONEY: Facts = {
  type: "object",
  additionalProperties: false,
  required: ["minor", "currency"],
  properties: { minor: { type: "integer" }, currency: { type: "string", pattern: "^[A-Z]{3}$" } },
};
const TYPES: Record<string, Facts> = {
  text: { type: "string", maxLength: 200 },
  long: { type: "string", format: "free-text", maxLength: 2000 },
  bool: { type: "boolean" },
  int: { type: "integer" },
  date: { type: "string", format: "date" },
  enum: { enum: [] },
  money: MONEY,
  document: { type: "string", format: "document" },
};
// What may stand beside the type and is kept as it is.
const BESIDES = new Set(["title", "description", "default", "minLength", "maxLength", "minimum", "maximum"]);

interface Row {
  key: string;
  facts: Facts;
  type: string;
  needed: boolean;
}

const isFacts = (value: Json | undefined): value is Facts => !!value && typeof value === "object" && !Array.isArray(value);

function typeOf(facts: Facts): string | null {
  const rest = Object.keys(facts).filter((name) => !BESIDES.has(name));
  const is = (...names: string[]): boolean => rest.length === names.length && names.every((name) => rest.includes(name));
  if (Array.isArray(facts.enum) && facts.enum.every((one) => typeof one === "string")) {
    return is("enum") || (is("enum", "type") && facts.type === "string") ? "enum" : null;
  }
  if (facts.type === "boolean" && is("type")) return "bool";
  if (facts.type === "integer" && is("type")) return "int";
  if (facts.type === "string" && is("type")) return "text";
  if (facts.type === "string" && is("type", "format")) {
    return { "free-text": "long", date: "date", document: "document" }[String(facts.format)] ?? null;
  }
  const members = isFacts(facts.properties) ? Object.keys(facts.properties).sort().join() : "";
  return facts.type === "object" && members === "currency,minor" && !rest.includes("$ref") ? "money" : null;
}

function rowsOf(schema: Json | undefined): Row[] | null {
  if (schema === undefined) return [];
  if (!isFacts(schema) || schema.type !== "object") return null;
  const known = new Set(["type", "additionalProperties", "required", "properties"]);
  if (Object.keys(schema).some((name) => !known.has(name))) return null;
  const required = Array.isArray(schema.required) ? schema.required : [];
  const found: Row[] = [];
  for (const [key, facts] of Object.entries(isFacts(schema.properties) ? schema.properties : {})) {
    const type = isFacts(facts) ? typeOf(facts) : null;
    if (type === null) return null;
    found.push({ key, facts: { ...(facts as Facts) }, type, needed: required.includes(key) });
  }
  return found;
}

/** Return rows for a schema that is a plain form; null for any other. */
export function schemaField(
  _spec: Spec,
  value: Json | undefined,
  around: Around,
  take: Taken,
  frame: (body: HTMLElement) => HTMLElement,
): HTMLElement | null {
  const rows = rowsOf(value);
  if (rows === null) return null;
  const body = tag("div", { class: "editor-rows" });
  const told = (): void =>
    take({
      type: "object",
      additionalProperties: false,
      ...(rows.some((row) => row.needed) ? { required: rows.filter((row) => row.needed).map((row) => row.key) } : {}),
      properties: Object.fromEntries(rows.map((row) => [row.key, row.facts])),
    });
  const paint = (focus = -1): void => {
    body.replaceChildren();
    rows.forEach((row, at) => {
      body.append(one(row, at, rows, around, told, paint));
      if (focus === at) body.querySelector<HTMLInputElement>(".editor-way:last-child input")?.focus();
    });
    const add = button(around.word("add_field"), "add");
    add.addEventListener("click", () => {
      let key = "field";
      for (let count = 2; rows.some((row) => row.key === key); count += 1) key = `field_${count}`;
      rows.push({ key, facts: { ...TYPES.text }, type: "text", needed: true });
      told();
      paint(rows.length - 1);
    });
    body.append(add);
  };
  paint();
  return frame(body);
}

function one(row: Row, at: number, rows: Row[], around: Around, told: () => void, paint: (focus?: number) => void): HTMLElement {
  const labelled = (word: string, control: HTMLElement): Node[] => {
    control.id = unique("field");
    return [tag("label", { for: control.id }, around.word(word)), control];
  };
  const key = tag("input", { type: "text", class: "editor-mono", maxlength: "40", spellcheck: "false" });
  key.value = row.key;
  key.addEventListener("change", () => {
    const wanted = key.value.trim();
    if (wanted && !rows.some((other) => other !== row && other.key === wanted)) row.key = wanted;
    key.value = row.key;
    told();
  });
  const title = tag("input", { type: "text", maxlength: "120" });
  title.value = String(row.facts.title ?? "");
  title.addEventListener("change", () => {
    if (title.value) row.facts.title = title.value;
    else delete row.facts.title;
    told();
  });
  const type = tag("select");
  for (const name of Object.keys(TYPES)) type.append(new Option(around.word(`type_${name}`), name, false, name === row.type));
  type.addEventListener("change", () => {
    row.type = type.value;
    const kept: Facts = row.facts.title === undefined ? {} : { title: row.facts.title };
    row.facts = { ...structuredClone(TYPES[type.value]!), ...kept };
    told();
    paint(at);
  });
  const needed = tag("input", { type: "checkbox" });
  needed.checked = row.needed;
  needed.addEventListener("change", () => {
    row.needed = needed.checked;
    told();
  });
  const gone = button("", "close");
  gone.setAttribute("aria-label", `${around.word("remove_field")}: ${row.key}`);
  gone.addEventListener("click", () => {
    rows.splice(at, 1);
    told();
    paint();
  });
  const parts = [...labelled("field_title", title), ...labelled("field_key", key), ...labelled("field_type", type)];
  if (row.type === "enum") {
    const choices = tag("textarea", { rows: "3" });
    choices.value = (row.facts.enum as string[]).join("\n");
    choices.addEventListener("change", () => {
      row.facts.enum = choices.value.split("\n").map((text) => text.trim()).filter(Boolean);
      told();
    });
    parts.push(...labelled("field_choices", choices));
  }
  needed.id = unique("needed");
  const check = tag("label", { for: needed.id, class: "editor-check" }, needed, ` ${around.word("field_needed")}`);
  return tag("div", { class: "editor-way" }, ...parts, tag("div", { class: "editor-pair" }, check, gone));
}
