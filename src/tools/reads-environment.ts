/** Whether a migration's words ask for what each deployment has for itself: variables of the environment, options, server settings. */
export function readsEnvironment(text: string): boolean {
  return /\bos\s*\.\s*(?:environ|getenv)\b|\bgetenv\s*\(|\bimport\s+environ\b|\bget_x_argument\s*\(|\bcurrent_setting\s*\(/i.test(
    text,
  );
}
