// Where in a form a finding is to be mended.
import { all } from "../page";
import type { Finding } from "./draft";

/** Return the field a finding is about, as far as it says so: what is missing, what it begins with, what it names. */
export function fieldOf(finding: Finding, panel: ParentNode): string {
  const named = /'(\w+)' is a required/.exec(finding.problem)?.[1] ?? /^([a-z_]+)/.exec(finding.problem)?.[1] ?? "";
  const cured = [...finding.cure.matchAll(/`(\w+)/g)].map((match) => match[1]!);
  const known = new Set(all("[data-field]", panel).map((place) => place.dataset.field!));
  return [named, ...cured].find((name) => known.has(name)) ?? "";
}
