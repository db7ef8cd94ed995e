/**
 * Lines in which the cells of each column stand below each other. The last column may be as wide as it likes. What a database holds
 * moves no cursor of a terminal.
 */
export function inColumns(cells: readonly (readonly string[])[]): readonly string[] {
  const rows = cells.map((row) => row.map((cell) => cell.replaceAll(/\p{Cc}/gu, "�")));
  const most = Math.max(0, ...rows.map(({ length }) => length));
  const widths = Array.from({ length: most - 1 }, (_, column) =>
    Math.max(...rows.map((row) => widthOf(row[column] ?? ""))),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))))
      .join("  ")
      .trimEnd(),
  );
}

function widthOf(text: string): number {
  return [...text].length;
}
