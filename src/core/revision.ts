/** One migration, as its file states it. */
export type Revision = {
  readonly id: string;
  /** `down_revision`: the revisions that this one follows; empty for a base. */
  readonly parents: readonly string[];
  /** `depends_on`, as written (ids or branch labels): applied first without being a parent. */
  readonly dependsOn: readonly string[];
  readonly labels: readonly string[];
  /** What its author calls it, in one short line; empty where neither the file nor its name tells. */
  readonly title: string;
  /** Path relative to the history's root, with forward slashes. */
  readonly file: string;
  /** First 16 hex digits of the sha256 of the file's text with `\n` line ends. */
  readonly hash: string;
  /** `upgrade()` can only be what it is seen to be: nothing but `pass`, a docstring or a bare return, as in most merges. */
  readonly isEmpty: boolean;
  /** All of it commits at once, or nothing, as far as its file and its tool's set-up tell. */
  readonly isAtomic: boolean;
  /** It creates something IF NOT EXISTS: that it is there already does not make it fail. */
  readonly saysIfNotExists: boolean;
  /** It asks for what each deployment has for itself, such as a variable of the environment. */
  readonly readsEnvironment: boolean;
  readonly sketch: Sketch;
};

/**
 * The tables and columns that `upgrade()` creates and drops, read without running it.
 * Names only: a sketch says "probably", never "proven".
 */
export type Sketch = readonly SketchStep[];

export type SketchStep =
  | (OfTable & { readonly kind: "create-table"; readonly columns: readonly string[] })
  | (OfTable & { readonly kind: "drop-table" })
  | (OfTable & { readonly kind: "rename-table"; readonly to: string })
  | (OfTable & { readonly kind: "add-column" | "drop-column"; readonly column: string })
  | (OfTable & { readonly kind: "rename-column"; readonly column: string; readonly to: string });

type OfTable = { readonly table: TableName };

/** A table as a migration names it, unquoted; `schema` is null where the migration names none. */
export type TableName = { readonly schema: string | null; readonly name: string };
