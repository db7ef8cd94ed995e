/** What the application's name begins with in every session of an upgrade. */
export const upgradePrefix = "preflight-upgrade/";

/** By this name the server processes of a run's upgrade are found when it must be stopped. */
export function upgradeName(runId: string): string {
  return `${upgradePrefix}${runId}`;
}
