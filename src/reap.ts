/** Of the runtime inside the binary; Node has none. */
type ForeignFunctions = {
  readonly dlopen: (
    library: string,
    functions: object,
  ) => {
    readonly symbols: { readonly waitpid: (pid: number, status: null, options: number) => number };
  };
};

const libraries = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"] as const;
const withoutWaiting = 1;

/**
 * A container's first process becomes the parent of whatever a migration leaves behind, and the kernel keeps each such process
 * as a zombie until its parent asks how it ended. Asks for all that have ended: the program that we become would not know of them.
 */
export async function reapOrphans(): Promise<void> {
  // By a variable: what bundles for Node would look for it.
  const name = "bun:ffi";
  const { dlopen } = (await import(name)) as ForeignFunctions;
  for (const library of libraries) {
    try {
      const waitpid = { args: ["i32", "ptr", "i32"], returns: "i32" };
      const { symbols } = dlopen(library, { waitpid });
      while (symbols.waitpid(-1, null, withoutWaiting) > 0);
      return;
    } catch {
      // It is the other kind of system.
    }
  }
}
