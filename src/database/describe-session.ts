type Session = {
  readonly pid: number;
  readonly applicationName: string | null;
  readonly clientAddress?: string | null;
};

/** `process 42 (application psql, from 10.0.0.7, idle)`; the server keeps to itself what a role may not see. */
export function describeSession(
  { pid, applicationName, clientAddress }: Session,
  more: readonly (string | null)[],
): string {
  const details = [
    applicationName && `application ${applicationName}`,
    clientAddress && `from ${clientAddress}`,
    ...more,
  ].filter(Boolean);
  return `process ${pid}${details.length > 0 ? ` (${details.join(", ")})` : ""}`;
}
