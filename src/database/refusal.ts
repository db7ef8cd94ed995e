import { CannotJudge } from "../core/outcome.ts";
import { moreTime, reportIt } from "../core/ways-out.ts";
import type { Connection } from "../settings/connection.ts";
import type { Failed } from "./connect.ts";
import { directUrl, type Fault, type FaultKind } from "./errors.ts";
import { formatDuration } from "./waiting.ts";

type Attempt = Pick<Failed, "fault" | "place">;

/** The end of waiting: it would not help. */
export function refusal(connection: Connection, { fault, place }: Attempt): CannotJudge {
  const { kind, code, says } = fault;
  const who = `user ${connection.user}, database ${connection.database}`;
  return new CannotJudge(
    kind === "temporary" ? "unavailable" : kind,
    `cannot connect to PostgreSQL: ${says} (${code}; ${place}, ${who})`,
    adviceOn(connection)[code] ?? adviceOnKind(connection)[kind],
  );
}

/** The end of waiting: the time is over. */
export function notAvailable(
  connection: Connection,
  { fault, place }: Attempt,
  timeout: number,
): CannotJudge {
  return new CannotJudge(
    "unavailable",
    `PostgreSQL did not become available within ${formatDuration(timeout)}: last: ${fault.says} (${place})`,
    [
      ...(adviceOn(connection)[fault.code] ?? [
        `check that the server runs, and its host and port in ${connection.source}`,
      ]),
      moreTime,
    ],
  );
}

/** The end of waiting: the command that prints the password has not done so. */
export function noAddress({ says }: Fault, timeout: number): CannotJudge {
  return new CannotJudge(
    "unavailable",
    `PostgreSQL could not be asked within ${formatDuration(timeout)}: last: ${says}`,
    [
      "run the command of PREFLIGHT_PASSWORD_COMMAND by hand in this container: it must print the password and exit with 0",
      moreTime,
    ],
  );
}

function adviceOnKind({ source }: Connection): Record<FaultKind, readonly string[]> {
  return {
    permission: [`check user and password in ${source}, and the server's pg_hba.conf`],
    config: [`check the parameters in ${source}`],
    protocol: [`check host, port and TLS settings in ${source}`],
    internal: [reportIt],
    // Waited for; the deadline names them.
    temporary: [],
    unavailable: [],
  };
}

/** What a person can do about a code, where that is more than its kind says. */
function adviceOn({
  source,
  database,
  user,
  targetSession,
}: Connection): Record<string, readonly string[]> {
  const name = [`check the host's name in ${source}, and the name server: nobody knows the name`];
  const imposter = ["check who answers there: it may be somebody else than the server"];
  const pooled = [
    `give a URL that goes around the pooler in PREFLIGHT_DATABASE_URL, or leave the parameter out of ${source}`,
    "or let PgBouncer pass over it: ignore_startup_parameters",
  ];
  return {
    "3D000": [`create the database ${database}, or name another one in ${source}`],
    "42501": [`GRANT CONNECT ON DATABASE ${database} TO the role ${user}`],
    "42704": [`leave out of ${source} what the server does not know`],
    "53300": ["raise max_connections, or let fewer sessions stay open"],
    "0A000": ["check what answers there: PostgreSQL 13 and later are supported"],
    EACCES: ["let this process write to the socket, or connect over TCP"],
    ENOTFOUND: name,
    EAI_AGAIN: name,
    EAI_NODATA: name,
    ENODATA: name,
    ESERVFAIL: name,
    POOLER_PARAMETER: pooled,
    POOLER_STATEMENTS: [directUrl],
    WRONG_SESSION: [
      targetSession === "read-write"
        ? `name a server in ${source} that can be written to: the primary, or several hosts of which one is it`
        : `check which servers ${source} names, or ask for another kind than ${targetSession} (target_session_attrs)`,
    ],
    TEMPORARY_SERVER: [
      "wait until it has restarted, or connect over TCP, where it does not listen",
    ],
    NO_PROCESS: ["look into the server's log: it lacks memory, or processes"],
    NO_PASSWORD: [`give the password of ${user} in ${source}`],
    LOGIN_NOT_SUPPORTED: [
      `let ${user} log in with scram-sha-256, a certificate or none (pg_hba.conf)`,
    ],
    NOT_PROVEN: imposter,
    SASL_SIGNATURE_MISMATCH: imposter,
    NOT_POSTGRES: [`check host and port in ${source}`],
    BAD_MESSAGE: [`check host and port in ${source}, and what stands between`],
    TLS_NOT_SUPPORTED: [
      "switch TLS on at the server",
      "or, on a network you trust, set sslmode=disable",
    ],
    TLS_UNTRUSTED: ["give the authority's certificate with sslrootcert"],
    TLS_EXPIRED: ["renew the server's certificate, and check the clocks"],
    TLS_WRONG_HOST: ["use the host name that the certificate was made for", "or sslmode=verify-ca"],
    TLS_FAILED: ["see the server's log for its side of the handshake, and check its TLS settings"],
    TLS_ROOT_CERT: ["name a file with the authority's certificate in sslrootcert, or system"],
    TLS_CLIENT_CERT: ["check sslcert, sslkey and sslpassword: they must belong together"],
  };
}
