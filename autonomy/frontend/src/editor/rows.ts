// Fields that are rows: values by name, and ways on in the order they are asked.
import { button } from "../buttons";
import type { Facts, Json } from "./draft";
import { asText, grouped, type Kind, offered, select, tag, unique } from "./fields";

/** Names and where their values come from; what is needed and missing is one click away. */
export const cels: Kind = (spec, value, around, take) => {
  const body = tag("div", { class: "editor-rows" });
  const rows: [string, string][] = Object.entries(isFacts(value) ? value : {}).map(([name, text]) => [name, asText(text)]);
  const told = (): void => take(rows.length ? Object.fromEntries(rows.filter(([name]) => name)) : undefined);
  const facts = around.facts();
  const code = spec.name === "arguments" ? facts.operation : facts.workflow;
  const known = around.pick(spec.name === "arguments" ? "operations" : "workflows").find((one) => one.code === code)?.members ?? [];
  const paint = (focus = -1): void => {
    body.replaceChildren();
    rows.forEach((row, at) => {
      const [name, names] = offered(known.map((one) => [one.name, one.title || one.name]), row[0]);
      name.setAttribute("aria-label", `${around.word("member")} ${at + 1}`);
      const [text, paths] = offered(around.paths(), row[1], true);
      text.setAttribute("aria-label", `${around.word("value")}: ${row[0] || at + 1}`);
      name.addEventListener("change", () => { row[0] = name.value.trim(); told(); });
      text.addEventListener("change", () => { row[1] = text.value; told(); });
      const gone = button("", "close");
      gone.setAttribute("aria-label", `${around.word("remove_member")}: ${row[0] || at + 1}`);
      gone.addEventListener("click", () => { rows.splice(at, 1); told(); paint(); });
      body.append(tag("div", { class: "editor-row" }, name, names, text, paths, gone));
      if (focus === at) (row[0] ? text : name).focus();
    });
    const add = button(around.word("add_member"), "add");
    add.addEventListener("click", () => { rows.push(["", ""]); paint(rows.length - 1); });
    body.append(add);
    for (const one of known.filter((one) => one.required && !rows.some(([name]) => name === one.name))) {
      const quick = button(one.title || one.name, "add");
      quick.addEventListener("click", () => { rows.push([one.name, ""]); paint(rows.length - 1); });
      body.append(quick);
    }
  };
  paint();
  return grouped(spec, around, body);
};

const isFacts = (value: Json | undefined): value is Facts => !!value && typeof value === "object" && !Array.isArray(value);

/** Ways on, in the order they are asked; a single one without a condition is written as it was. */
export const ways: Kind = (spec, value, around, take) => {
  const body = tag("div", { class: "editor-rows" });
  const wasText = typeof value === "string";
  const found: Facts[] = wasText ? [{ to: value }] : Array.isArray(value) ? value.filter(isFacts).map((one) => ({ ...one })) : [];
  const isNext = spec.name === "next";
  const told = (): void => {
    const [only] = found;
    const isPlain = isNext && found.length === 1 && !("when" in only!) && (wasText || Object.keys(only!).length === 1);
    take(found.length === 0 ? undefined : isPlain ? only!.to : found.map((one) => ({ ...one })));
  };
  const paint = (focus = -1): void => {
    body.replaceChildren();
    found.forEach((way, at) => {
      const [when, paths] = offered(around.paths(), way.when, true);
      when.id = unique("when");
      when.placeholder = around.word("otherwise");
      const to = select(around.nodes(), way.to, around.word("none"));
      to.id = unique("to");
      when.addEventListener("change", () => {
        if (when.value) way.when = when.value;
        else delete way.when;
        told();
      });
      to.addEventListener("change", () => { way.to = to.value; told(); });
      const tools = tag("div", { class: "editor-pair" });
      if (at > 0) {
        const up = button("", "arrow_upward");
        up.setAttribute("aria-label", `${around.word("up")} (${at + 1})`);
        up.addEventListener("click", () => { found.splice(at - 1, 0, ...found.splice(at, 1)); told(); paint(at - 1); });
        tools.append(up);
      }
      const gone = button("", "close");
      gone.setAttribute("aria-label", `${around.word("remove_way")} (${at + 1})`);
      gone.addEventListener("click", () => { found.splice(at, 1); told(); paint(); });
      tools.append(gone);
      body.append(
        tag(
          "div",
          { class: "editor-way" },
          tag("label", { for: when.id }, around.word("when")), when, paths,
          tag("label", { for: to.id }, around.word("to")), to, tools,
        ),
      );
      if (focus === at) when.focus();
    });
    const add = button(around.word("add_way"), "add");
    add.addEventListener("click", () => {
      // The way in any other case stays the last one.
      const last = found.length && !("when" in found[found.length - 1]!) && isNext ? found.length - 1 : found.length;
      found.splice(last, 0, isNext && found.length ? { when: "", to: "" } : { to: "" });
      paint(last);
    });
    body.append(add);
  };
  paint();
  return grouped(spec, around, body);
};
