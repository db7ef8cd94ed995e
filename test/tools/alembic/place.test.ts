import { describe, expect, test } from "vitest";
import { locateLike, placeIn } from "../../../src/tools/alembic/commands.ts";

describe("how a person's upgrade command is asked where it leads", () => {
  test.each([
    ["alembic upgrade head", "alembic current --verbose"],
    [
      "alembic -c prod.ini -x tenant=a upgrade heads",
      "alembic -c prod.ini -x tenant=a current --verbose",
    ],
    ["/app/.venv/bin/alembic upgrade head", "/app/.venv/bin/alembic current --verbose"],
    ["poetry run alembic upgrade head", "poetry run alembic current --verbose"],
    ["python -m alembic upgrade head", "python -m alembic current --verbose"],
    ["flask db upgrade", "flask db current --verbose"],
    [
      "flask --app shop db upgrade -d elsewhere heads",
      "flask --app shop db current --verbose -d elsewhere",
    ],
    [
      "python manage.py db upgrade --directory=m",
      "python manage.py db current --verbose --directory=m",
    ],
    ["make migrate", null],
    ["make upgrade", null],
    ["python migrate.py upgrade", null],
    ["upgrade", null],
    ["alembic upgrade head --sql", null],
  ])("%s: %s", (command, asked) => {
    expect(locateLike(command.split(" "))?.join(" ") ?? null).toBe(asked);
  });
});

describe("where Alembic says that it works", () => {
  test.each([
    ["postgresql+psycopg://u:***@db:5433/xa", { host: "db", port: 5433, database: "xa" }],
    ["postgresql://u@db/xa?sslmode=require", { host: "db", port: null, database: "xa" }],
    [
      "postgresql+asyncpg://u%40x:***@[::1]:5432/x%20a",
      { host: "[::1]", port: 5432, database: "x a" },
    ],
    ["postgresql+psycopg2://u@/xa?host=%2Ftmp&port=54", { host: "/tmp", port: 54, database: "xa" }],
    ["postgresql+psycopg://", { host: null, port: null, database: null }],
  ])("%s", (url, place) => {
    expect(placeIn(`Current revision(s) for ${url}:`)).toEqual(place);
  });

  test.each(["", "Rev: a (head)", "a1b2c3 (head)", "Current revision(s) for nothing"])(
    "%j says nothing of it",
    (line) => {
      expect(placeIn(line)).toBeNull();
    },
  );
});
