/** Small changes of a built binary, in place: nothing moves. */

/**
 * The runtime inside the binary has switches of its own in the environment: with BUN_BE_BUN=1, `preflight run` is `bun run`,
 * which judges nothing and ends with 0, and BUN_OPTIONS loads other code first. In small letters nobody sets them.
 */
export function forgetSwitches(binary: Buffer): void {
  for (const name of ["BUN_BE_BUN", "BUN_OPTIONS"]) {
    const at = binary.indexOf(`\0${name}\0`);
    if (at === -1) throw new Error(`${name} is not where this version of Bun had it`);
    binary.write(name.toLowerCase(), at + 1);
  }
}

/** A name that the runtime exports for native add-ons, which are never loaded: there is room for another text in its place. */
const unusedName = "napi_create_external_buffer";

/** The numbers of the ELF format. */
const elf = { load: 1, dynamic: 2, strings: 5n, debug: 21n, runPath: 29n };

/**
 * Says where the system's loader looks for libraries first (DT_RUNPATH). Its entry takes the place of the one for debuggers, so that
 * nothing has to move: patchelf would move what the program's own data is found by.
 */
export function addRunPath(binary: Buffer, runPath: string): void {
  const segments = readSegments(binary);
  const dynamic = segments.find(({ type }) => type === elf.dynamic);
  if (dynamic === undefined) throw new Error("the binary has no dynamic section");
  const entries = Array.from(
    { length: dynamic.size / 16 },
    (_, index) => dynamic.offset + index * 16,
  );
  const find = (tag: bigint): number => {
    const at = entries.find((entry) => binary.readBigUInt64LE(entry) === tag);
    if (at === undefined) throw new Error(`the binary's dynamic section has no entry ${tag}`);
    return at;
  };

  const stringsAddress = Number(binary.readBigUInt64LE(find(elf.strings) + 8));
  const holder = segments.find(
    ({ type, address, size }) =>
      type === elf.load && address <= stringsAddress && stringsAddress < address + size,
  );
  if (holder === undefined) throw new Error("the binary's table of strings is nowhere");
  const strings = stringsAddress - holder.address + holder.offset;
  const at = binary.indexOf(`\0${unusedName}\0`, strings) + 1;
  if (at === 0 || runPath.length > unusedName.length)
    throw new Error(
      `no room for ${runPath}: ${unusedName} is not where this version of Bun had it`,
    );

  binary.write(`${runPath}\0`, at);
  const entry = find(elf.debug);
  binary.writeBigUInt64LE(elf.runPath, entry);
  binary.writeBigUInt64LE(BigInt(at - strings), entry + 8);
}

function readSegments(binary: Buffer) {
  const [table, size, count] = [
    Number(binary.readBigUInt64LE(32)),
    binary.readUInt16LE(54),
    binary.readUInt16LE(56),
  ];
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * size;
    return {
      type: binary.readUInt32LE(at),
      offset: Number(binary.readBigUInt64LE(at + 8)),
      address: Number(binary.readBigUInt64LE(at + 16)),
      size: Number(binary.readBigUInt64LE(at + 32)),
    };
  });
}
