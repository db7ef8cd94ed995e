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
  /** The image that stands for each of the manifests', whatever its tag or digest. */
  readonly images: Readonly<Record<string, string>>;
  readonly secrets: Files;
  readonly configMaps?: Files;
};

/** By name and key. */
type Files = Readonly<Record<string, Readonly<Record<string, string>>>>;

export type PlayablePod = {
  readonly yaml: string;
  /** What `kubectl describe pod` would show of a container. */
  readonly terminationMessage: (container: string) => string;
};

/**
 * A pod of this template for `podman play kube`. What a kubelet does and Podman 4.3 does not, or not rightly, is done here as
 * the kubelet does it: secrets and ConfigMaps as files of root and of fsGroup, and a file for the termination message.
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
        ...(spec.volumes ?? []).map((volume) => onDisk(volume, node, directory, group)),
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
function onNode(container: Container, { images }: Node): object {
  const { ports: _, ...rest } = container;
  const image = images[container.image.replace(/[:@].*$/, "")];
  if (image === undefined) throw new Error(`nothing stands for the image ${container.image}`);
  return {
    ...rest,
    image,
    imagePullPolicy: "Never",
    volumeMounts: [
      ...(container.volumeMounts ?? []),
      { name: `termination-${container.name}`, mountPath: "/dev/termination-log" },
    ],
  };
}

/** A directory of the node in the place of a secret or a ConfigMap. */
function onDisk(volume: Volume, node: Node, under: string, group: number): Volume {
  const { name, secret, configMap } = volume;
  const directory = path.join(under, `volume-${name}`);
  if (secret !== undefined)
    writeFiles(directory, node.secrets[secret.secretName], secret.defaultMode, group);
  else if (configMap !== undefined)
    writeFiles(directory, node.configMaps?.[configMap.name], configMap.defaultMode, group);
  else throw new Error(`the volume ${name} is neither a secret nor a ConfigMap`);
  return { name, hostPath: { path: directory, type: "Directory" } };
}

/** Where an update can replace all files at once: behind one symbolic link. */
function writeFiles(
  directory: string,
  files: Files[string] | undefined,
  mode = 0o644,
  group = 0,
): void {
  if (files === undefined) throw new Error(`this node has nothing for ${directory}`);
  const version = "..2026_11_21_12_00_00.1";
  mkdirSync(path.join(directory, version), { recursive: true });
  symlinkSync(version, path.join(directory, "..data"));
  for (const [key, text] of Object.entries(files)) {
    const file = path.join(directory, version, key);
    writeFileSync(file, text);
    chownSync(file, 0, group);
    chmodSync(file, mode);
    symlinkSync(path.join("..data", key), path.join(directory, key));
  }
}

function terminationLog(container: string, under: string): Volume {
  const file = path.join(under, `termination-${container}`);
  writeFileSync(file, "");
  chmodSync(file, 0o666);
  return { name: `termination-${container}`, hostPath: { path: file, type: "File" } };
}
