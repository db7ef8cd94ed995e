/**
 * As package.json has it, which a test compares. Not read from there: the whole file would be in the program, and what tools a build was made with
 * would change its bytes.
 */
export const version = "0.2.0";
