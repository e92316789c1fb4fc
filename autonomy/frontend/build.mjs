// Builds what the browser loads into ../static, where the built files are committed: a Python-only install
// needs no Node. The build is deterministic; `git diff --exit-code` after it shows whether it was run.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static");
const portal = join(out, "portal");

// Libraries that take the place of the admin theme's own copies (the theme's Alpine needs 'unsafe-eval').
const VENDORED = [
  {
    name: "@alpinejs/csp",
    file: "dist/cdn.min.js",
    target: "unfold/js/alpine/alpine.js",
    licences: { "alpinejs.txt": join(here, "licences", "alpinejs.txt") },
    contains: ["@vue/reactivity", "@vue/shared"],
  },
  { name: "htmx.org", file: "dist/htmx.min.js", target: "unfold/js/htmx/htmx.js", licences: {}, contains: [] },
];

const manifest = (name) => JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"), "utf8"));
const licenceFile = (name) => `${name.replace("@", "").replace("/", "-")}.txt`;

function vendor({ name, file, target, licences, contains }) {
  const { version, license } = manifest(name);
  // A source map that is not shipped would stop the manifest storage of the static files.
  const text = readFileSync(join(here, "node_modules", name, file), "utf8").replace(/^\/\/# sourceMappingURL=.*$/gm, "");
  mkdirSync(dirname(join(out, target)), { recursive: true });
  writeFileSync(join(out, target), text);
  const texts = { ...licences };
  for (const part of Object.keys(licences).length ? contains : [name, ...contains]) {
    texts[licenceFile(part)] = join(here, "node_modules", part, "LICENSE");
  }
  for (const [to, from] of Object.entries(texts)) copyFileSync(from, join(portal, "licences", to));
  return {
    name,
    version,
    licence: license,
    contains: contains.map((part) => `${part} ${manifest(part).version}`),
    file: target,
    sha256: createHash("sha256").update(text).digest("hex"),
    licences: Object.keys(texts).sort(),
  };
}

// Libraries that are part of the files built below, not files of their own.
const BUNDLED = [
  { name: "@dagrejs/dagre", files: ["portal/graph.js", "portal/workflow-editor.js"], contains: ["@dagrejs/graphlib"] },
];

function bundled({ name, files, contains }) {
  const { version, license } = manifest(name);
  const texts = [name, ...contains].map((part) => {
    copyFileSync(join(here, "node_modules", part, "LICENSE"), join(portal, "licences", licenceFile(part)));
    return licenceFile(part);
  });
  return {
    name,
    version,
    licence: license,
    contains: contains.map((part) => `${part} ${manifest(part).version}`),
    bundled_in: files,
    sha256_of_package: createHash("sha256")
      .update(readFileSync(join(here, "node_modules", name, "dist", "dagre.esm.js")))
      .digest("hex"),
    licences: texts.sort(),
  };
}

mkdirSync(join(portal, "licences"), { recursive: true });
const vendored = [...VENDORED.map(vendor), ...BUNDLED.map(bundled)];
writeFileSync(join(portal, "VENDOR.json"), `${JSON.stringify(vendored, null, 2)}\n`);
await build({
  absWorkingDir: here,
  entryPoints: {
    portal: "src/portal.ts",
    shell: "src/shell.ts",
    graph: "src/graph.ts",
    "workflow-editor": "src/workflow-editor.ts",
    theme: "src/theme.ts",
    "portal-style": "src/styles/portal.css",
    plain: "src/styles/plain.css",
  },
  outdir: portal,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022"],
  charset: "utf8",
  legalComments: "none",
});
