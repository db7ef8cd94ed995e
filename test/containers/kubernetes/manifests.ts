import { readFileSync } from "node:fs";
import path from "node:path";
import { parseAllDocuments } from "yaml";
import { root } from "../support/engine.ts";

export const examples = path.join(root, "examples/kubernetes");

type Mount = { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean };

export type Container = {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly volumeMounts?: readonly Mount[];
  readonly ports?: readonly object[];
};

export type Volume = {
  readonly name: string;
  readonly secret?: { readonly secretName: string; readonly defaultMode?: number };
  readonly configMap?: { readonly name: string; readonly defaultMode?: number };
  readonly hostPath?: { readonly path: string; readonly type: string };
};

export type PodTemplate = {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly securityContext?: { readonly fsGroup?: number };
    readonly initContainers?: readonly Container[];
    readonly containers: readonly Container[];
    readonly volumes?: readonly Volume[];
  };
};

type Manifest = { readonly kind: string; readonly spec: unknown };

/** As Kubernetes reads YAML: by version 1.1, where 0440 is octal. */
export function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text, { version: "1.1" }).map((document) => document.toJS() as Manifest);
}

export function manifestFile(name: string): string {
  return readFileSync(path.join(examples, name), "utf8");
}

/** The pods of a Deployment, a Job or a CronJob: the first of its kind in the text. */
export function podTemplate(text: string, kind: "Deployment" | "Job" | "CronJob"): PodTemplate {
  const found = parseManifests(text).find((manifest) => manifest.kind === kind);
  if (found === undefined) throw new Error(`no ${kind} among these manifests`);
  if (kind !== "CronJob") return (found.spec as { template: PodTemplate }).template;
  return (found.spec as { jobTemplate: { spec: { template: PodTemplate } } }).jobTemplate.spec
    .template;
}
