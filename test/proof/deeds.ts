/** What one migration of a random history does. */
export const deeds = [
  "table",
  "table",
  "column",
  "column",
  "index",
  "view",
  "function",
  "enum",
  "constraint",
  "retype",
  "comment",
  "update",
  "insert",
  "revert",
  "nothing",
  "concurrently",
  "concurrently",
  "two",
] as const;

export type Deed = (typeof deeds)[number] | "data";

/** What the migrations before have left. */
export type Made = {
  readonly tables: readonly Table[];
  /** What a later one may take back. */
  readonly removable: readonly Removable[];
  readonly enums: readonly string[];
  readonly views: number;
};

type Table = {
  /** As the files write it. */
  readonly name: string;
  /** Added later, and in no view. */
  readonly columns: readonly string[];
};

type Removable = { readonly drop: string; readonly column?: string };

type Choice = {
  readonly number: number;
  readonly pick: number;
  /** `public.`, or nothing. */
  readonly place: string;
  /** Written with IF NOT EXISTS or OR REPLACE. */
  readonly isLenient: boolean;
};

type Done = {
  readonly deed: Deed;
  readonly statements: readonly string[];
  readonly writes: boolean;
  readonly made: Made;
};

/** Where a deed has nothing to work on, another is done. */
export function doDeed(deed: Deed, made: Made, choice: Choice): Done {
  const { number, pick, place, isLenient } = choice;
  const table = made.tables[pick % Math.max(1, made.tables.length)];
  if (deed === "table" || table === undefined) return makeTable();
  const ifNot = isLenient ? "IF NOT EXISTS " : "";
  switch (deed) {
    case "column":
      return addColumn(table, ["text", "int NOT NULL DEFAULT 7", "timestamptz"][pick % 3]!);
    case "two": {
      const one = addColumn(table, "text");
      const name = `n${number}`;
      return {
        ...one,
        deed,
        statements: [...one.statements, `CREATE INDEX ${name} ON ${table.name} (c${number})`],
      };
    }
    case "index":
    case "concurrently": {
      const name = `i${number}`;
      const how = deed === "concurrently" ? "CONCURRENTLY " : "";
      const where = pick % 2 === 0 && deed === "index" ? " WHERE price > 0 AND name <> 'x'" : "";
      const unique = deed === "concurrently" && pick % 3 > 0 ? "UNIQUE " : "";
      const schema = table.name.includes(".") ? `${table.name.split(".")[0]}.` : "";
      return done(
        deed,
        [`CREATE ${unique}INDEX ${how}${ifNot}${name} ON ${table.name} (name)${where}`],
        deed === "concurrently" ? null : { drop: `DROP INDEX ${schema}${name}` },
      );
    }
    case "view": {
      const name = `${place}v${number}`;
      const text = `CREATE ${isLenient ? "OR REPLACE " : ""}VIEW ${name} AS SELECT id, name FROM ${table.name} WHERE price BETWEEN 1 AND 10 OR name IN ('a', 'b')`;
      const after = done(deed, [text], { drop: `DROP VIEW ${name}` });
      return { ...after, made: { ...after.made, views: made.views + 1 } };
    }
    case "function": {
      const name = `${place}f${number}()`;
      const body =
        pick % 2 === 0
          ? `LANGUAGE sql AS 'SELECT count(*) FROM ${table.name}'`
          : `LANGUAGE plpgsql AS 'BEGIN RETURN ${number}; END'`;
      const text = `CREATE ${isLenient ? "OR REPLACE " : ""}FUNCTION ${name} RETURNS bigint ${body}`;
      return done(deed, [text], { drop: `DROP FUNCTION ${name}` });
    }
    case "enum": {
      const name = `${place}e${number}`;
      const after = addColumn(table, `${name} DEFAULT 'one'`);
      return {
        ...after,
        deed,
        statements: [`CREATE TYPE ${name} AS ENUM ('one', 'two')`, ...after.statements],
        made: { ...after.made, enums: [...made.enums, name] },
      };
    }
    case "constraint": {
      const name = `k${number}`;
      const text = `ALTER TABLE ${table.name} ADD CONSTRAINT ${name} CHECK (price >= 0 OR name IN ('free', 'gift'))`;
      return done(deed, [text], { drop: `ALTER TABLE ${table.name} DROP CONSTRAINT ${name}` });
    }
    case "retype": {
      const column = table.columns.at(-1);
      return column === undefined
        ? addColumn(table, "text")
        : done(deed, [`ALTER TABLE ${table.name} ALTER COLUMN ${column} TYPE text`], null);
    }
    case "comment":
      return done(deed, [`COMMENT ON TABLE ${table.name} IS 'as of ${number}'`], null);
    case "update":
      return wrote([`UPDATE ${table.name} SET price = price * 10 WHERE price < 1000000`]);
    case "insert":
      return wrote([
        `INSERT INTO ${table.name} (id, name, price) VALUES (${number}, 'plan ${number}', ${pick * 2})`,
      ]);
    case "revert": {
      const last = made.removable.at(-1);
      if (last === undefined) return addColumn(table, "text");
      const tables = made.tables.map((each) => ({
        ...each,
        columns: each.columns.filter((column) => column !== last.column),
      }));
      const after = done(deed, [last.drop], null);
      return { ...after, made: { ...made, tables, removable: made.removable.slice(0, -1) } };
    }
    case "nothing":
    case "data":
      return done("nothing", [`SELECT ${number}`], null);
  }

  function makeTable(): Done {
    const name = `${place}t${number}`;
    const ifNot = isLenient ? "IF NOT EXISTS " : "";
    const check = pick % 3 === 0 ? " CHECK (price <> 13)" : "";
    const text = `CREATE TABLE ${ifNot}${name} (id int PRIMARY KEY, name text NOT NULL DEFAULT lower('X'), price int${check})`;
    const after = done("table", [text], null);
    return { ...after, made: { ...after.made, tables: [...made.tables, { name, columns: [] }] } };
  }

  function addColumn(to: Table, type: string): Done {
    const column = `c${number}`;
    const ifNot = isLenient ? "IF NOT EXISTS " : "";
    const drop = `ALTER TABLE ${to.name} DROP COLUMN ${column}`;
    const after = done("column", [`ALTER TABLE ${to.name} ADD COLUMN ${ifNot}${column} ${type}`], {
      drop,
      column,
    });
    const tables = made.tables.map((each) =>
      each === to ? { ...each, columns: [...each.columns, column] } : each,
    );
    return { ...after, made: { ...after.made, tables } };
  }

  function wrote(statements: readonly string[]): Done {
    return { ...done(deed, statements, null), writes: true };
  }

  function done(what: Deed, statements: readonly string[], removable: Removable | null): Done {
    const more = removable === null ? [] : [removable];
    return {
      deed: what,
      statements,
      writes: false,
      made: { ...made, removable: [...made.removable, ...more] },
    };
  }
}
