import { readFile } from "node:fs/promises";
import { isIP, type Socket } from "node:net";
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type ConnectionOptions,
  type PeerCertificate,
} from "node:tls";
import type { Tls } from "../settings/connection.ts";
import { classify, codeOf, ConnectionFault } from "./errors.ts";

/** What each side's certificate has to prove. */
export type Proof = {
  readonly check: "none" | "authority" | "authority and host";
  readonly ca: string | null;
  /** What this client proves itself with. */
  readonly client: {
    readonly cert: Buffer;
    readonly key: Buffer;
    readonly passphrase?: string;
  } | null;
};

/**
 * libpq's meaning of sslmode: every mode checks the authority where its certificate is given, and `system` is only worth
 * something together with the host's name. `allow` and `prefer`, which prove nothing, pass over a file that is not there;
 * `require` does not, unlike in libpq: whoever names a file relies on it. Throws ConnectionFault TLS_ROOT_CERT, TLS_CLIENT_CERT.
 */
export async function readProof(tls: Tls): Promise<Proof> {
  const { mode, rootCert } = tls;
  if (rootCert === "system" && mode !== "verify-full") {
    throw new ConnectionFault(
      "TLS_ROOT_CERT",
      `sslrootcert=system needs sslmode=verify-full, not ${mode}`,
    );
  }
  if (mode === "disable") return { check: "none", ca: null, client: null };
  const client = await readClient(tls.client);
  if (rootCert === null) {
    if (mode !== "verify-ca" && mode !== "verify-full") return { check: "none", ca: null, client };
    throw new ConnectionFault(
      "TLS_ROOT_CERT",
      `sslmode=${mode} needs sslrootcert: a file, or system`,
    );
  }
  const check = mode === "verify-full" ? "authority and host" : "authority";
  if (rootCert === "system") return { check, ca: await readSystemRoots(), client };
  const ca = await readRoot(rootCert, mode === "allow" || mode === "prefer");
  return ca === null ? { check: "none", ca, client } : { check, ca, client };
}

async function readClient(client: Tls["client"]): Promise<Proof["client"]> {
  if (client === null) return null;
  const { certificate, key, keyPassword } = client;
  const read = async (path: string): Promise<Buffer> =>
    await readFile(path).catch((error: unknown) => {
      throw new ConnectionFault("TLS_CLIENT_CERT", `${path} cannot be read (${codeOf(error)})`);
    });
  const pair = {
    cert: await read(certificate),
    key: await read(key),
    ...(keyPassword === null ? {} : { passphrase: keyPassword }),
  };
  try {
    createSecureContext(pair);
  } catch (error) {
    throw new ConnectionFault("TLS_CLIENT_CERT", `${certificate} with ${key}: ${whyOf(error)}`);
  }
  return pair;
}

/** OpenSSL's words hold no part of a key. */
function whyOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/^error:[0-9A-F]+:/, "") : String(error);
}

/** TLS over a connected socket, after the server has said yes. Resolves when the server's certificate is proven. */
export function secure(socket: Socket, host: string, proof: Proof): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const secured = connect(tlsOptions(socket, host, proof));
    // Node closes a connection that ends during the handshake with an error; Bun may only close it.
    const closed = (): void => reject(new ConnectionFault("TLS_CLOSED"));
    const failed = (error: Error): void => reject(tlsFault(error));
    secured.once("error", failed);
    secured.once("close", closed);
    secured.once("secureConnect", () => {
      secured.off("error", failed);
      secured.off("close", closed);
      if (proof.check === "none" || secured.authorized) return resolve(secured);
      secured.destroy();
      reject(tlsFault(secured.authorizationError));
    });
  });
}

function tlsOptions(socket: Socket, host: string, proof: Proof): ConnectionOptions {
  return {
    socket,
    // Server name indication is not for addresses (RFC 6066).
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(proof.ca === null ? {} : { ca: proof.ca }),
    ...proof.client,
    rejectUnauthorized: proof.check !== "none",
    checkServerIdentity: (_name, certificate) =>
      proof.check === "authority and host" ? checkHost(host, certificate) : undefined,
  };
}

/** As libpq: an address that no alternative name of its own kind speaks of may stand in the common name. */
function checkHost(host: string, certificate: PeerCertificate): Error | undefined {
  const { subject, subjectaltname = "" } = certificate;
  if (isIP(host) !== 0 && !subjectaltname.includes("IP Address:") && subject.CN === host)
    return undefined;
  return checkServerIdentity(host, certificate);
}

/** Where Linux distributions and the BSDs keep the roots that the machine trusts. */
const systemRootFiles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** null: none of the files is there, and the runtime's own list of public roots has to do. */
async function readSystemRoots(): Promise<string | null> {
  for (const path of systemRootFiles) {
    const pem = await readFile(path, "utf8").catch(() => null);
    if (pem !== null) return pem;
  }
  return null;
}

async function readRoot(path: string, isOptional: boolean): Promise<string | null> {
  const pem = await readFile(path, "utf8").catch((error: unknown) => {
    if (isOptional && codeOf(error) === "ENOENT") return null;
    throw new ConnectionFault("TLS_ROOT_CERT", `${path} cannot be read (${codeOf(error)})`);
  });
  if (pem !== null && !pem.includes("-----BEGIN"))
    throw new ConnectionFault("TLS_ROOT_CERT", `${path} holds no PEM certificate`);
  return pem;
}

function tlsFault(error: unknown): Error {
  // `authorizationError` is a code in Node's types and an Error or a code in practice.
  const code = typeof error === "string" ? error : codeOf(error);
  const own = certificateCodes[code];
  const detail = error instanceof Error ? error.message : code;
  if (own !== undefined) return new ConnectionFault(own, detail);
  if (error instanceof Error && classify(error, "connect").kind === "unavailable")
    return new ConnectionFault("TLS_CLOSED", detail);
  return new ConnectionFault("TLS_FAILED", detail);
}

/** OpenSSL's verification results, as Node and Bun name them. */
const certificateCodes: Record<string, "TLS_UNTRUSTED" | "TLS_EXPIRED" | "TLS_WRONG_HOST"> = {
  CERT_HAS_EXPIRED: "TLS_EXPIRED",
  CERT_NOT_YET_VALID: "TLS_EXPIRED",
  ERR_TLS_CERT_ALTNAME_INVALID: "TLS_WRONG_HOST",
  HOSTNAME_MISMATCH: "TLS_WRONG_HOST",
  CERT_CHAIN_TOO_LONG: "TLS_UNTRUSTED",
  CERT_REJECTED: "TLS_UNTRUSTED",
  CERT_REVOKED: "TLS_UNTRUSTED",
  CERT_SIGNATURE_FAILURE: "TLS_UNTRUSTED",
  CERT_UNTRUSTED: "TLS_UNTRUSTED",
  DEPTH_ZERO_SELF_SIGNED_CERT: "TLS_UNTRUSTED",
  INVALID_CA: "TLS_UNTRUSTED",
  INVALID_PURPOSE: "TLS_UNTRUSTED",
  SELF_SIGNED_CERT_IN_CHAIN: "TLS_UNTRUSTED",
  UNABLE_TO_GET_ISSUER_CERT: "TLS_UNTRUSTED",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "TLS_UNTRUSTED",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "TLS_UNTRUSTED",
};
