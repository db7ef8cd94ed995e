import { readdirSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { examples, manifestFile, parseManifests } from "./kubernetes/manifests.ts";
import { kustomize, validate } from "./kubernetes/tools.ts";

/** The first in which podFailurePolicy is stable, and the newest of which there are schemas. */
const versions = ["1.31", "1.37"] as const;

const plain = readdirSync(path.join(examples, "base"))
  .filter((name) => name.endsWith(".yaml"))
  .map((name) => `base/${name}`);

let base: string;
let production: string;

beforeAll(async () => {
  base = await kustomize(path.join(examples, "base"));
  production = await kustomize(path.join(examples, "overlays/production"));
});

describe.each(versions)("the manifests for Kubernetes %s", (version) => {
  it.each([...plain, "sql-files/job.yaml"])("%s is valid", async (file) => {
    expect(await validate(version, manifestFile(file))).toMatchObject({ code: 0 });
  });

  it("what Kustomize makes of base and overlay is valid", async () => {
    for (const text of [base, production])
      expect(await validate(version, text)).toMatchObject({ code: 0 });
  });

  it("what Helm makes of its template is valid", async () => {
    const values = { "Release.Name": "shop", "Values.image.repository": "registry.example/shop" };
    const more = { "Values.image.tag": "1.4.0", "Values.database.secretName": "shop" };
    const text = Object.entries({ ...values, ...more }).reduce(
      (made, [name, value]) => made.replaceAll(`{{ .${name} }}`, value),
      manifestFile("../helm/preflight.yaml").replace(/^\{\{-.*\n/, ""),
    );
    expect(text).not.toContain("{{");
    expect(await validate(version, text)).toMatchObject({ code: 0 });
  });

  it("a misspelt field is noticed", async () => {
    const text = manifestFile("base/job.yaml").replace("podFailurePolicy:", "podFailurePolicies:");
    const { code, stdout, stderr } = await validate(version, text);
    expect(code).not.toBe(0);
    expect(`${stdout}${stderr}`).toContain("podFailurePolicies");
  });
});

it("Kustomize has every plain manifest, and the plain manifests need no Kustomize", () => {
  const manifests = plain.flatMap((file) => parseManifests(manifestFile(file)));
  expect(inOrder(parseManifests(base))).toEqual(inOrder(manifests));
});

it("the overlay changes the image everywhere, the replicas, the timeouts and the database's address", () => {
  expect(production).not.toContain("registry.example/shop:");
  expect(production.match(/registry\.example\/shop@sha256:[0-9a-f]{64}$/gm)).toHaveLength(4);
  expect(parseManifests(production)).toContainEqual(
    expect.objectContaining({
      kind: "Deployment",
      spec: expect.objectContaining({ replicas: 5, progressDeadlineSeconds: 2400 }),
    }),
  );
  expect(production).toContain("name: PREFLIGHT_LOCK_TIMEOUT\n          value: 30m");
  expect(production).toContain("cidr: 10.20.0.0/28");
  for (const manifest of parseManifests(production))
    expect(manifest).toMatchObject({ metadata: { namespace: "shop" } });
});

function inOrder(manifests: readonly object[]): readonly string[] {
  return manifests.map((manifest) => JSON.stringify(sorted(manifest))).sort();
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, sorted(each)]));
}
