import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import type { Container, PodTemplate, Volume } from "./manifests.ts";

/** What a node has that a manifest only names. */
export type Node = {
  /** Stands for the application's image, whatever its tag or digest. */
  readonly image: string;
  /** The secrets by their names. */
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

export type PlayablePod = {
  readonly yaml: string;
  /** What `kubectl describe pod` would show of a container. */
  readonly terminationMessage: (container: string) => string;
};

const applicationImage = /^registry\.example\/shop[:@]/;

/**
 * A pod of this template for `podman play kube`. What a kubelet does and Podman 4.3 does not, or not rightly, is done here as
 * the kubelet does it: secrets as files of root and of fsGroup behind a symbolic link, and a file for the termination message.
 * The restart policy is Never throughout: otherwise Podman starts an init container again also after it ended well.
 */
export function asPod(name: string, template: PodTemplate, node: Node): PlayablePod {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-pod-"));
  // mkdtemp's 0700 would be for root alone, and the pod's user is another.
  chmodSync(directory, 0o755);
  const { spec, metadata } = template;
  const group = spec.securityContext?.fsGroup ?? 0;
  const names = [...(spec.initContainers ?? []), ...spec.containers].map((each) => each.name);
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    // Podman would remove an init container that ended well, and nobody could ask how it was run.
    metadata: {
      name,
      labels: metadata?.labels ?? {},
      annotations: { "io.podman.annotations.init.container.type": "always" },
    },
    spec: {
      ...spec,
      restartPolicy: "Never",
      initContainers: (spec.initContainers ?? []).map((each) => onNode(each, node)),
      containers: spec.containers.map((each) => onNode(each, node)),
      volumes: [
        ...(spec.volumes ?? []).map((volume) => mountSecret(volume, node, directory, group)),
        ...names.map((each) => terminationLog(each, directory)),
      ],
    },
  };
  return {
    yaml: stringify(pod, { version: "1.1" }),
    terminationMessage: (container) =>
      readFileSync(path.join(directory, `termination-${container}`), "utf8"),
  };
}

/** Podman would publish a port of the pod on this machine. */
function onNode({ ports: _, ...container }: Container, { image }: Node): object {
  if (!applicationImage.test(container.image))
    throw new Error(`${container.name} has another image: ${container.image}`);
  return {
    ...container,
    image,
    imagePullPolicy: "Never",
    volumeMounts: [
      ...(container.volumeMounts ?? []),
      { name: `termination-${container.name}`, mountPath: "/dev/termination-log" },
    ],
  };
}

function mountSecret(volume: Volume, { secrets }: Node, under: string, group: number): Volume {
  if (volume.secret === undefined) return volume;
  const { secretName, defaultMode = 0o644 } = volume.secret;
  const entries = Object.entries(secrets[secretName] ?? {});
  if (entries.length === 0) throw new Error(`no secret ${secretName} on this node`);
  const directory = path.join(under, secretName);
  const version = "..2026_11_21_12_00_00.1";
  mkdirSync(path.join(directory, version), { recursive: true });
  symlinkSync(version, path.join(directory, "..data"));
  for (const [key, value] of entries) {
    const file = path.join(directory, version, key);
    writeFileSync(file, value);
    chownSync(file, 0, group);
    chmodSync(file, defaultMode);
    symlinkSync(path.join("..data", key), path.join(directory, key));
  }
  return { name: volume.name, hostPath: { path: directory, type: "Directory" } };
}

function terminationLog(container: string, under: string): Volume {
  const file = path.join(under, `termination-${container}`);
  writeFileSync(file, "");
  chmodSync(file, 0o666);
  return { name: `termination-${container}`, hostPath: { path: file, type: "File" } };
}
