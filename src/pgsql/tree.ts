import type { AlterTableCmd, ColumnDef, Constraint, Node } from "libpg-query";

/** Each action of an `ALTER TABLE` as a statement of its own: it meets what those before it have made. */
export function actionsOf(node: Node): readonly Node[] {
  if (!("AlterTableStmt" in node)) return [node];
  const { cmds = [], ...statement } = node.AlterTableStmt;
  return cmds.map((command) => ({ AlterTableStmt: { ...statement, cmds: [command] } }));
}

export function commandsOf(node: Node): readonly AlterTableCmd[] {
  if (!("AlterTableStmt" in node)) return [];
  return (node.AlterTableStmt.cmds ?? []).flatMap((each) =>
    "AlterTableCmd" in each ? [each.AlterTableCmd] : [],
  );
}

/** What `ADD COLUMN` and `ALTER COLUMN … TYPE` say of a column. */
export function columnIn({ def }: AlterTableCmd): ColumnDef | null {
  return def !== undefined && "ColumnDef" in def ? def.ColumnDef : null;
}

export function constraintIn({ def }: AlterTableCmd): Constraint | null {
  return def !== undefined && "Constraint" in def ? def.Constraint : null;
}

export function constraintsIn(nodes: readonly Node[]): readonly Constraint[] {
  return nodes.flatMap((node) => ("Constraint" in node ? [node.Constraint] : []));
}
