import type { Connection } from "../settings/connection.ts";
import { readDatabase } from "../settings/connection-source.ts";
import { type Findings, readingOnce, type Sources } from "../settings/findings.ts";
import { collectSecrets } from "../settings/secrets.ts";
import type { Settings } from "../settings/settings.ts";
import { askPassword } from "./ask-password.ts";
import type { World } from "./world.ts";

/** How long the command for the password may take. */
const longestCommand = 10_000;

/**
 * The database's address as it is at the moment: secret files are rotated and tokens are short-lived. Where it can no
 * longer be read, such as in the middle of a rotation, the last good one counts.
 * @param left milliseconds until nobody waits any more
 */
export function addressReader(
  first: Connection,
  { passwordCommand }: Settings,
  world: World,
  left: () => number,
): () => Promise<Connection> {
  let last = first;
  let said = "";
  return async () => {
    last = readAgain() ?? last;
    if (passwordCommand === null) return last;
    const password = await askPassword(passwordCommand, Math.min(longestCommand, left()), world);
    return { ...last, hosts: last.hosts.map((host) => ({ ...host, password })) };
  };

  function readAgain(): Connection | null {
    const sources = readingOnce(withoutPipes(world));
    const findings: Findings = { faults: [], warnings: [] };
    const connection = readDatabase(sources, findings);
    for (const secret of collectSecrets(sources, [connection], null)) world.learnSecret(secret);
    const faults = findings.faults.join("; ");
    if (faults !== "" && faults !== said) {
      const msg = `the database's address as it was before is used: ${faults}`;
      world.log({ level: "warn", event: "settings.unreadable", msg });
    }
    said = faults;
    return connection;
  }
}

/** A pipe has given all that it had; to read it again may wait for ever. */
function withoutPipes(world: World): Sources {
  return {
    ...world,
    readFile: (path) => {
      if (world.statFile(path)?.isFile !== false) return world.readFile(path);
      throw Object.assign(new Error("not a plain file"), { code: "ESPIPE" });
    },
  };
}
