/** What stands behind the package's own index.js, which cannot be handed its binary, nor be started anew. */
declare module "libpg-query/wasm/libpg-query.js" {
  export default function start(options: {
    readonly instantiateWasm: (imports: object, receive: (instance: object) => void) => void;
    readonly print: (line: string) => void;
    readonly printErr: (line: string) => void;
  }): Promise<Instance>;

  /** Numbers are addresses in its memory. */
  export type Instance = {
    readonly _malloc: (size: number) => number;
    readonly _free: (text: number) => void;
    readonly _wasm_parse_query_raw: (script: number) => number;
    readonly _wasm_free_parse_result: (result: number) => void;
    readonly _wasm_parse_plpgsql: (statement: number) => number;
    readonly _wasm_scan: (script: number) => number;
    readonly _wasm_free_string: (text: number) => void;
    readonly getValue: (address: number, type: "i32") => number;
    readonly lengthBytesUTF8: (text: string) => number;
    readonly stringToUTF8: (text: string, to: number, size: number) => void;
    readonly UTF8ToString: (text: number) => string;
  };
}

declare const WebAssembly: {
  readonly Module: new (binary: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => object;
};
