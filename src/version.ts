import manifest from "../package.json" with { type: "json" };

/** The one place of the version is package.json. */
export const { version } = manifest;
