/**
 * Prints what is in the last build, as CycloneDX JSON: the npm packages whose code is in it, the runtime, and the system's libraries that
 * lie beside it.
 *   node scripts/sbom.ts [--target linux-amd64-musl]… [library]…
 * It has no time and no serial number, so that two builds give the same bytes.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import parser from "../node_modules/libpg-query/package.json" with { type: "json" };
import manifest from "../package.json" with { type: "json" };
import { bundledPackages } from "./build/bundled.ts";
import {
  bunVersion,
  fetchRuntime,
  ownTarget,
  readTarget,
  runtimes,
  type Target,
} from "./build/runtimes.ts";

type Component = {
  readonly type: string;
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly [more: string]: unknown;
};
type Bom = {
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
};

/** What `process.versions` of the runtime tells of: libraries of others inside of it. */
const insideOfBun = {
  webkit: "JavaScriptCore (WebKit)",
  boringssl: "BoringSSL",
  ares: "c-ares",
  icu: "ICU",
  libarchive: "libarchive",
  libdeflate: "libdeflate",
  llhttp: "llhttp",
  lolhtml: "lol-html",
  lshpack: "ls-hpack",
  mimalloc: "mimalloc",
  picohttpparser: "picohttpparser",
  sqlite: "SQLite",
  tinycc: "TinyCC",
  uwebsockets: "uWebSockets",
  zlib: "zlib",
  zstd: "zstd",
};

const root = path.dirname(import.meta.dirname);
const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { target: { type: "string", multiple: true, default: [ownTarget] } },
});
process.stdout.write(
  `${JSON.stringify(describe(values.target.map(readTarget), files), null, 2)}\n`,
);

function describe(targets: readonly Target[], libraries: readonly string[]) {
  const { packages, dependencies } = readPackages();
  const beside = [...targets.map(describeRuntime), ...libraries.map(describeLibrary)];
  const self = `${manifest.name}@${manifest.version}`;
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": self,
        name: manifest.name,
        version: manifest.version,
        description: manifest.description,
        purl: `pkg:npm/${manifest.name.replace("@", "%40")}@${manifest.version}`,
        licenses: [{ license: { id: manifest.license } }],
      },
    },
    components: [...packages, ...beside],
    dependencies: [
      ...dependencies.map(({ ref, dependsOn }) => ({
        ref,
        dependsOn: ref === self ? [...dependsOn, ...beside.map(refOf)] : dependsOn,
      })),
      ...beside.map((component) => ({ ref: refOf(component), dependsOn: [] })),
    ],
  };
}

/**
 * Of all packages in the lock file, those whose code the build took: `npm sbom --omit=dev` leaves out what a tool for development needs
 * too.
 */
function readPackages() {
  const npm = ["sbom", "--sbom-format=cyclonedx", "--package-lock-only"];
  const bom = JSON.parse(
    execFileSync("npm", npm, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }),
  ) as Bom;
  const packages = bundledPackages().map((name) => {
    const [found, ...others] = bom.components.filter((each) => each.name === name);
    if (found === undefined || others.length > 0)
      throw new Error(`the lock file has ${others.length + (found ? 1 : 0)} versions of ${name}`);
    return name === "libpg-query" ? { ...found, components: [describeParser()] } : found;
  });
  const refs = new Set([`${manifest.name}@${manifest.version}`, ...packages.map(refOf)]);
  return {
    packages,
    dependencies: bom.dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn }) => ({
        ref,
        dependsOn: dependsOn.filter((each) => refs.has(each)),
      })),
  };
}

function describeParser(): Component {
  const { libpgQueryTag, pgVersion } = parser["x-publish"];
  return {
    type: "library",
    "bom-ref": `libpg_query@${libpgQueryTag}`,
    name: "libpg_query",
    version: libpgQueryTag,
    description: `The parser of PostgreSQL ${pgVersion} as a library, compiled to WebAssembly`,
    licenses: [{ license: { id: "BSD-3-Clause" } }, { license: { id: "PostgreSQL" } }],
  };
}

function describeRuntime(target: Target): Component {
  const { npm, integrity } = runtimes[target];
  const print = ["--print", "JSON.stringify(process.versions)"];
  const versions = JSON.parse(
    execFileSync(fetchRuntime(ownTarget), print, { encoding: "utf8" }),
  ) as Record<string, string>;
  return {
    type: "platform",
    "bom-ref": `${npm}@${bunVersion}`,
    name: npm,
    version: bunVersion,
    description: "Bun, the JavaScript runtime inside the binary",
    purl: `pkg:npm/${npm.replace("@", "%40")}@${bunVersion}`,
    licenses: [{ license: { id: "MIT" } }],
    hashes: [
      { alg: "SHA-512", content: Buffer.from(integrity.slice(7), "base64").toString("hex") },
    ],
    components: Object.entries(insideOfBun).map(([key, name]) => {
      const version = versions[key];
      if (version === undefined) throw new Error(`this Bun does not say its version of ${name}`);
      return { type: "library", "bom-ref": `${target}/${key}@${version}`, name, version };
    }),
  };
}

/** Libraries say themselves which version they are. */
function describeLibrary(file: string): Component {
  const bytes = readFileSync(file);
  const text = bytes.toString("latin1");
  const [, system = "", glibc] = /GNU C Library \((\w+) GLIBC ([^)]+)\)/.exec(text) ?? [];
  const [, gcc] = /GCC: \([^)]*\) ([0-9.]+)/.exec(text) ?? [];
  const [name, version, more] =
    glibc === undefined
      ? [
          path.basename(file).replace(/\.so\..*/, ""),
          gcc,
          { licenses: [{ expression: "GPL-3.0-or-later WITH GCC-exception-3.1" }] },
        ]
      : [
          "glibc",
          glibc,
          {
            purl: `pkg:deb/${system.toLowerCase()}/glibc@${encodeURIComponent(glibc)}`,
            licenses: [{ license: { id: "LGPL-2.1-or-later" } }],
          },
        ];
  if (version === undefined) throw new Error(`${file} does not say its version`);
  return {
    type: "library",
    "bom-ref": `${name}@${version}`,
    name,
    version,
    hashes: [{ alg: "SHA-256", content: createHash("sha256").update(bytes).digest("hex") }],
    ...more,
  };
}

function refOf(component: Component): string {
  return component["bom-ref"];
}
