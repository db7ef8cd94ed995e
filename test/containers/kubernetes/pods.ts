import { setTimeout as sleep } from "node:timers/promises";
import { verdictLine, type VerdictLine } from "../../../src/report/verdict-schema.ts";
import type { RunOptions } from "../support/client.ts";
import { podman } from "../support/pods.ts";
import { asPod, type Node } from "./kubelet.ts";
import type { PodTemplate } from "./manifests.ts";

/** A container as the engine has it. */
type State = {
  readonly status: string;
  readonly exit: number;
  readonly user: string;
  readonly memory: number;
  readonly readOnly: boolean;
  readonly dropped: readonly string[];
};

export type Pod = {
  readonly state: (container: string) => Promise<State>;
  readonly ended: (container: string) => Promise<number>;
  readonly logs: (container: string) => Promise<string>;
  /** Waits until its log holds the text. */
  readonly says: (container: string, text: string) => Promise<void>;
  readonly exec: (container: string, ...command: readonly string[]) => Promise<string>;
  readonly kill: (container: string, signal: string) => Promise<void>;
  /** The termination message, which must be one verdict line that the kubelet does not cut. */
  readonly message: (container: string) => VerdictLine;
  readonly rawMessage: (container: string) => string;
};

const played: string[] = [];
const removal = ["pod", "rm", "--force", "--time", "0"];

/** Plays a pod of this template. An init container that fails is no error here: its state says it. */
export async function play(name: string, template: PodTemplate, node: Node): Promise<Pod> {
  const { yaml, terminationMessage } = asPod(name, template, node);
  played.push(name);
  await podman([...removal, name]);
  const { code, stderr } = await podman(["play", "kube", "-"], { input: yaml });
  if (code !== 0 && !/init container \w+ exited with code/.test(stderr))
    throw new Error(`podman play kube ended with ${code}: ${stderr}\n${yaml}`);
  const of = (container: string): string => `${name}-${container}`;
  return {
    state: async (container) => await inspect(of(container)),
    ended: async (container) => Number(await mustPodman(["wait", of(container)])),
    logs: async (container) => await logsOf(of(container)),
    says: async (container, text) => {
      const deadline = Date.now() + 30_000;
      while (!(await logsOf(of(container))).includes(text)) {
        if (Date.now() > deadline) throw new Error(`it never said ${text}`);
        await sleep(100);
      }
    },
    exec: async (container, ...command) => await mustPodman(["exec", of(container), ...command]),
    kill: async (container, signal) =>
      void (await mustPodman(["kill", "--signal", signal, of(container)])),
    message: (container) => {
      const text = terminationMessage(container);
      if (Buffer.byteLength(text) > 4096) throw new Error(`the kubelet would cut this: ${text}`);
      return verdictLine.strict().parse(JSON.parse(text));
    },
    rawMessage: terminationMessage,
  };
}

export async function removePods(): Promise<void> {
  for (const name of played.splice(0)) await podman([...removal, name]);
}

export async function mustPodman(
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await podman(args, options);
  if (code !== 0) throw new Error(`podman ${args.join(" ")} ended with ${code}: ${stderr}`);
  return stdout.trim();
}

async function logsOf(container: string): Promise<string> {
  const { stdout, stderr } = await podman(["logs", container]);
  return `${stdout}${stderr}`;
}

async function inspect(container: string): Promise<State> {
  const [found] = JSON.parse(await mustPodman(["inspect", container])) as readonly {
    readonly State: { readonly Status: string; readonly ExitCode: number };
    readonly Config: { readonly User: string };
    readonly HostConfig: {
      readonly Memory: number;
      readonly ReadonlyRootfs: boolean;
      readonly CapDrop: readonly string[];
    };
  }[];
  if (found === undefined) throw new Error(`no container ${container}`);
  const { State, Config, HostConfig } = found;
  return {
    status: State.Status,
    exit: State.ExitCode,
    user: Config.User,
    memory: HostConfig.Memory,
    readOnly: HostConfig.ReadonlyRootfs,
    dropped: HostConfig.CapDrop,
  };
}
