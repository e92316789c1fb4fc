// What expressions can read, for those who write them.
import type { Draft, Json } from "./draft";

/** Return what expressions can read: the input, and the answers of the other steps. */
export function paths(draft: Draft): [string, string][] {
  const found: [string, string][] = [];
  const members = (schema: Json | undefined, lead: string, of: string): void => {
    const properties = schema && typeof schema === "object" && !Array.isArray(schema) ? schema.properties : null;
    if (!properties || typeof properties !== "object" || Array.isArray(properties)) return;
    for (const [name, facts] of Object.entries(properties)) {
      const title = facts && typeof facts === "object" && !Array.isArray(facts) ? String(facts.title ?? name) : name;
      found.push([`${lead}.${name}`, `${title}, ${of}`]);
    }
  };
  members(draft.content.input, "input", "input");
  for (const [key, facts] of Object.entries(draft.nodes)) {
    members(facts?.answer ?? facts?.form, `steps.${key}.answer`, String(facts?.name ?? key));
  }
  return found;
}
