/**
 * What SCRAM makes of a password (RFC 4013): as the server did when it was set, one that may not be prepared stays as
 * it is. ASCII stays as it is too, and needs no tables.
 */
export async function prepare(password: string): Promise<string> {
  if (/^\p{ASCII}*$/u.test(password)) return password;
  const { saslprep } = await import("@mongodb-js/saslprep");
  try {
    return saslprep(password);
  } catch {
    return password;
  }
}
