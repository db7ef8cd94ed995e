import { withNames } from "../core/complaint.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { TableName } from "../core/version-table.ts";
import { formatDuration } from "../database/waiting.ts";
import { describePlace } from "../settings/program-address.ts";
import { describeEnd } from "../tools/child.ts";
import type { Commands } from "../tools/tool.ts";
import { adviseOnVariables } from "./advise-on-variables.ts";
import { followArrival, type Sight } from "./arrival.ts";
import type { Context, Ending } from "./context.ts";
import { optionsOf, sayUnsaid } from "./mapped-variables.ts";
import { endingOf } from "./program.ts";
import type { StepScope } from "./scope.ts";

/** What is known of the upgrade before it runs. */
export type Proof =
  /** It may run, with these variables beside the user's own. */
  | { readonly kind: "go"; readonly variables: Variables }
  /** Its program cannot even say where it works. */
  | { readonly kind: "failed"; readonly ending: Ending };

type Variables = Readonly<Record<string, string>>;

/**
 * Nothing upgrades a database that nobody looked at: the tool's read-only `current` must be seen to arrive at the version table that
 * was judged, or, where there is none yet, in the database. Where nothing can be seen, a warning says so.
 * @param unknownRows rows of the table that the program does not know either: that it names one of them shows that it came
 * Throws CannotJudge `config` when it works elsewhere, or the signal's reason.
 */
export async function proveUpgradeAddress(
  commands: Commands,
  table: TableName,
  scope: StepScope,
  unknownRows: readonly string[] = [],
): Promise<Proof> {
  const { settings, context, database } = scope;
  const own = settings.upgradeCommand;
  const like = own === null ? commands.locate() : commands.locateLike(own);
  const argv = like ?? locateAnyway(commands);
  if (argv === null) return goUnproven(`nothing tells where ${own?.join(" ")} works`, {}, context);
  const spelled = argv.join(" ");
  context.log({
    level: "info",
    event: "address.asked",
    msg: `before anything is written: does ${spelled} arrive here?`,
  });

  sayUnsaid(scope);
  const options = optionsOf(scope);
  let variables = lockTimeoutVariable(options, settings.ddlLockTimeout);
  let shortestHold = 0;
  let wasUnseen = false;
  let slips = 0;
  const deadline = context.now() + settings.timeout;
  for (;;) {
    // It shall be seen to wait.
    const ownLimits = isLimited(variables) ? lockTimeoutVariable(options, longestWait) : {};
    const question = { argv, commands, variables: ownLimits, table, shortestHold };
    const sight = await followArrival(question, scope).catch((error: unknown) => {
      if (like === null && isMissing(error)) return null;
      throw error;
    });
    if (sight === null)
      return goUnproven(`there is no ${argv[0]} that could be asked`, {}, context);
    switch (sight.kind) {
      case "here":
        return go(spelled, variables, scope);
      case "perhaps":
        if (shortestHold > 0) return go(spelled, variables, scope);
        break;
      case "unseen":
        // Who never came to this database has not slipped through either.
        if (sight.isInDatabase && sight.mayHaveSlipped && slips < mostSlips) {
          slips += 1;
          break;
        }
        if (wasUnseen) throw await elsewhere(spelled, sight, table, scope);
        wasUnseen = true;
        break;
      case "unclear":
        return goUnproven(
          `the pooler at ${database.place} has no connection left by which ${spelled} could be seen`,
          variables,
          context,
        );
      case "failed":
        if (unknownRows.some((id) => sight.lines.some((line) => line.includes(id))))
          return go(spelled, variables, scope);
        if (sight.told.passing !== null && context.now() < deadline) {
          await waitToAskAgain(spelled, sight.told.passing, scope);
          break;
        }
        // A pooler may refuse a session that asks for a setting.
        if (sight.told.error?.kind === "connection" && isLimited(variables)) {
          variables = {};
          break;
        }
        if (like === null)
          return goUnproven(
            `${spelled} ${describeEnd(sight.told.end, "two minutes")}, which says nothing of ${own?.join(" ")}`,
            {},
            context,
          );
        return await failedToSay(spelled, sight, scope);
    }
    // Whoever works elsewhere comes to its end sooner: nothing that is held here keeps it.
    if (sight.kind !== "failed") shortestHold = sight.tookMs * 1.5 + 500;
  }
}

/** Milliseconds. */
const longestWait = 60_000;
const betweenQuestions = 1_000;
/** So often in a row nobody reads a table in the one moment when it is free. */
const mostSlips = 4;

function go(spelled: string, variables: Variables, { settings, context }: StepScope): Proof {
  context.log({ level: "debug", event: "address.proved", msg: `${spelled} arrives here` });
  if (isLimited(variables))
    context.log({
      level: "info",
      event: "upgrade.limits",
      msg: `where its driver reads PGOPTIONS, the upgrade waits at most ${formatDuration(settings.ddlLockTimeout ?? 0)} for a lock (--ddl-lock-timeout)`,
    });
  return { kind: "go", variables };
}

function goUnproven(why: string, variables: Variables, { log }: Context): Proof {
  log({
    level: "warn",
    event: "address.unproven",
    msg: `whether the upgrade works on this database could not be seen beforehand: ${why}. Only the look after it will tell`,
  });
  return { kind: "go", variables };
}

async function waitToAskAgain(
  spelled: string,
  why: string,
  { context, askForSlots }: StepScope,
): Promise<void> {
  const msg = `${spelled} failed, and is asked again: ${why}`;
  context.log({ level: "warn", event: "address.retry", msg });
  // Enough sessions may have been free when the work began.
  await askForSlots();
  await context.sleep(betweenQuestions, context.signal);
}

/** The tool's own, where a person's command tells nothing: both usually work on the same. null: it is not known either. */
function locateAnyway(commands: Commands): readonly string[] | null {
  try {
    return commands.locate();
  } catch {
    return null;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof CannotJudge && error.outcome === "missing-input";
}

function isLimited(variables: Variables): boolean {
  return variables["PGOPTIONS"] !== undefined;
}

/**
 * The limit for locks, for drivers that read PGOPTIONS: libpq's, such as psycopg and psycopg2.
 * @param options what the user has put there: it comes after the limit, and counts
 * @param milliseconds null: no limit
 */
function lockTimeoutVariable(options: string | null, milliseconds: number | null): Variables {
  if (milliseconds === null) return {};
  const limit = `-c lock_timeout=${Math.max(1, Math.round(milliseconds))}`;
  return { PGOPTIONS: `${limit} ${options ?? ""}`.trim() };
}

const whereAddressesStand =
  "in env.py, in sqlalchemy.url of alembic.ini, or in the variables that these read";

/** The program that was asked came to its end, and was not seen where it should have been. */
async function elsewhere(
  spelled: string,
  { place, isInDatabase }: Extract<Sight, { readonly kind: "unseen" }>,
  { schema, name }: TableName,
  scope: StepScope,
): Promise<CannotJudge> {
  const { database, programAddress, upgradeCommand } = scope.settings;
  const { place: judgedPlace } = scope.database;
  const source = database?.source ?? "the address";
  const judged = `${judgedPlace}, database ${database?.database} (${source})`;
  const where = place === null ? "" : describePlace(place);
  if (isInDatabase)
    return new CannotJudge(
      "config",
      `the upgrade works on another version table than the one that was judged, ${schema}.${name} at ${judged}: ${spelled} comes to that database${where === "" ? "" : ` (it says: ${where})`}, and does not read the table. Nothing has run`,
      [
        "let both have the same search_path (the program's is the role's, or in its address or env.py)",
        "or name the table that the program uses: --version-table SCHEMA.NAME",
      ],
    );
  const variables =
    programAddress === null || describePlace(programAddress.place) === where
      ? ""
      : `; ${programAddress.source}: ${describePlace(programAddress.place)}`;
  return new CannotJudge(
    "config",
    `the upgrade works on another database than the one that was judged, ${judged}: ${spelled} did not arrive there, ${where === "" ? "and does not say where it did" : `and says that it works on ${where}`}${variables}. Nothing has run`,
    [
      ...(await adviseOnVariables([], scope)),
      `let both use the same database: the program's address is ${whereAddressesStand}`,
      `or correct ${source}, if the other one is meant`,
      ...(upgradeCommand === null
        ? []
        : [
            "or spell --upgrade-command as … alembic … upgrade …, so that the same way can be asked where it leads",
          ]),
    ],
  );
}

const linesShown = 20;

/** As drivers name it, and as SQLSTATEs: no such database, no such role, or a wrong password. */
const refusedLogin: ReadonlySet<string> = new Set([
  "InvalidCatalogName",
  "InvalidPassword",
  "InvalidAuthorizationSpecification",
  "3D000",
  "28P01",
  "28000",
]);

/** The program that was asked has failed: so would the upgrade. */
async function failedToSay(
  spelled: string,
  { told, lines }: Extract<Sight, { readonly kind: "failed" }>,
  scope: StepScope,
): Promise<Proof> {
  const { log } = scope.context;
  for (const msg of lines.slice(-linesShown)) log({ level: "info", event: "address.output", msg });
  const { end, error, complaint } = told;
  const isRefused = error?.kind === "connection" || refusedLogin.has(error?.name ?? "");
  const { upgrade: how } = scope.project.found;
  const explained = how.kind === "command" ? how.commands.explain(complaint ?? "", lines) : null;
  const missing = explained?.names ?? [];
  const isOfVariables = explained?.isOfVariables ?? isRefused;
  const hints = isOfVariables ? await adviseOnVariables(missing, scope) : [];
  const ending = endingOf(
    `${spelled}, which is asked where the upgrade works, ${describeEnd(end, "two minutes")}`,
    { ...told, complaint: complaint && withNames(complaint, missing) },
    isRefused
      ? {
          outcome: "config",
          advice: [
            ...hints,
            `the program's own address leads to no database: it is ${whereAddressesStand}`,
          ],
        }
      : {
          outcome: "migration-failed",
          advice: [
            ...hints,
            "the lines above are the program's own; mend their cause and start again",
          ],
        },
    "nothing has run, and nothing was stamped because of this failure",
  );
  return { kind: "failed", ending };
}
