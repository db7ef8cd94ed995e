import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { Socket } from "node:net";
import { checkServerIdentity, connect } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import type { Tls } from "../settings/connection.ts";
import { classify, codeOf, ConnectionFault } from "./errors.ts";

/** What a server's certificate has to prove. */
export type Proof = {
  readonly check: "none" | "authority" | "authority and host";
  readonly ca: string | null;
};

/**
 * libpq's meaning of sslmode: `require` with a root certificate checks the authority, as verify-ca does;
 * "system" is only worth something together with the host's name.
 * Throws ConnectionFault TLS_ROOT_CERT.
 */
export async function readProof(tls: Tls): Promise<Proof> {
  const check = checkOf(tls);
  if (tls.rootCert === "system" && tls.mode !== "verify-full" && check !== "none") {
    throw new ConnectionFault(
      "TLS_ROOT_CERT",
      `sslrootcert=system needs sslmode=verify-full, not ${tls.mode}`,
    );
  }
  if (check === "none") return { check, ca: null };
  if (tls.rootCert === null) {
    throw new ConnectionFault(
      "TLS_ROOT_CERT",
      `sslmode=${tls.mode} needs sslrootcert: a file, or system`,
    );
  }
  return {
    check,
    ca: tls.rootCert === "system" ? await readSystemRoots() : await readRoot(tls.rootCert),
  };
}

/** TLS over a connected socket, after the server has said yes. Resolves when the server's certificate is proven. */
export function secure(socket: Socket, host: string, proof: Proof): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const secured = connect(tlsOptions(socket, host, proof));
    // Node closes a connection that ends during the handshake with an error; Bun may only close it.
    const closed = (): void =>
      reject(new ConnectionFault("CLOSED_EARLY", "during the TLS handshake"));
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

function checkOf(tls: Tls): Proof["check"] {
  switch (tls.mode) {
    case "disable":
    case "allow":
    case "prefer":
      return "none";
    case "require":
      return tls.rootCert === null ? "none" : "authority";
    case "verify-ca":
      return "authority";
    case "verify-full":
      return "authority and host";
  }
}

function tlsOptions(socket: Socket, host: string, proof: Proof): ConnectionOptions {
  return {
    socket,
    // Server name indication is not for addresses (RFC 6066).
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(proof.ca === null ? {} : { ca: proof.ca }),
    rejectUnauthorized: proof.check !== "none",
    checkServerIdentity: (_name, certificate) =>
      proof.check === "authority and host" ? checkServerIdentity(host, certificate) : undefined,
  };
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

async function readRoot(path: string): Promise<string> {
  const pem = await readFile(path, "utf8").catch((error: unknown) => {
    throw new ConnectionFault("TLS_ROOT_CERT", `${path} cannot be read (${codeOf(error)})`);
  });
  if (!pem.includes("-----BEGIN"))
    throw new ConnectionFault("TLS_ROOT_CERT", `${path} holds no PEM certificate`);
  return pem;
}

function tlsFault(error: unknown): Error {
  // `authorizationError` is a code in Node's types and an Error or a code in practice.
  const code = typeof error === "string" ? error : codeOf(error);
  const own = certificateCodes[code];
  const detail = error instanceof Error ? error.message : code;
  if (own !== undefined) return new ConnectionFault(own, detail);
  if (error instanceof Error && classify(error, "connect").kind === "unavailable") return error;
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
