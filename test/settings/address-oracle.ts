import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { pythonEnvironment } from "../support/python.ts";

/** Keyword → value; empty ones are left out. */
export type Reading = Readonly<Record<string, string>>;

export type AddressOracle = {
  /** How libpq and SQLAlchemy (for psycopg) read a URL; null: they refuse it. */
  readonly read: (urls: { readonly libpq: string; readonly sqlalchemy: string }) => Promise<{
    readonly libpq: Reading | null;
    readonly sqlalchemy: Reading | null;
  }>;
  /** libpq's parameters, with what they are where this is the environment. */
  readonly defaults: (
    environment: Reading,
  ) => Promise<
    Readonly<Record<string, { readonly variable: string | null; readonly value: string | null }>>
  >;
  /** Of the server at 127.0.0.1 to which libpq speaks in `password`. */
  readonly port: number;
  /** The password that libpq sends where these are its parameters; null: none. */
  readonly password: (parameters: Reading) => Promise<string | null>;
  readonly stop: () => void;
};

/** One Python process that answers one question after the other. */
export async function startAddressOracle(): Promise<AddressOracle> {
  const { python } = await pythonEnvironment();
  const script = path.join(import.meta.dirname, "address-oracle.py");
  const child = spawn(python, ["-W", "ignore", script], { stdio: ["pipe", "pipe", "pipe"] });
  const errors: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk.toString()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (question: object): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(question)}\n`);
    const line = await lines.next();
    if (line.done === true) throw new Error(`the oracle stopped: ${errors.join("")}`);
    return JSON.parse(line.value);
  };
  return {
    read: async (urls) =>
      (await ask({ kind: "url", ...urls })) as Awaited<ReturnType<AddressOracle["read"]>>,
    defaults: async (environment) =>
      (await ask({ kind: "defaults", environment })) as Awaited<
        ReturnType<AddressOracle["defaults"]>
      >,
    port: (await ask({ kind: "port" })) as number,
    password: async (parameters) => (await ask({ kind: "password", parameters })) as string | null,
    stop: () => {
      child.stdin.end();
    },
  };
}
