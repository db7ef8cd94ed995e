import type { NewFile } from "../tool.ts";
import { isDown, readFileName } from "./list-files.ts";

/**
 * The next migration of a directory, in the style of its newest: the number's width, its separator, and a second file
 * where that has one.
 * @param name in snake case
 * @param beside the names of the files that are there
 */
export function nextFiles(name: string, beside: readonly string[], now: Date): readonly NewFile[] {
  const { file: newest, id } = findNewest(beside);
  const [, separator = "_"] = /^\d+([-_])/.exec(newest) ?? [];
  const stem = `${nextId(id, beside, now)}${separator}${name}`;
  const isUp = /\.up\.sql$/i.test(newest);
  const hasDown = beside.some((other) => isDown(other) && numberOf(other) === id);
  const up = { file: `${stem}${isUp ? ".up" : ""}.sql`, text: header(name) };
  const down = {
    file: `${stem}.down.sql`,
    text: `-- Undoes ${up.file}. Preflight never runs it.\n\n`,
  };
  return isUp || hasDown ? [up, down] : [up];
}

/** The same in one style, with a time for a number. */
export function nextTimed(name: string, beside: readonly string[], now: Date): readonly NewFile[] {
  const { id } = findNewest(beside);
  return [{ file: `${nextTime(id, now)}_${name}.sql`, text: header(name) }];
}

/** Both are empty where there is none. */
function findNewest(beside: readonly string[]): { readonly file: string; readonly id: string } {
  const [newest = { file: "", id: "" }] = beside
    .flatMap((file) => ({ file, id: readFileName(file)?.id ?? "" }))
    .filter(({ id }) => id !== "")
    .toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? 1 : -1));
  return newest;
}

function numberOf(file: string): string {
  return /^\d+/.exec(file)?.[0] ?? "";
}

/** Above the newest, even where that is of a time to come. */
function nextTime(newest: string, now: Date): string {
  const time = timeOf(now);
  return time > newest ? time : oneMore(newest, 1n);
}

function nextId(newest: string, beside: readonly string[], now: Date): string {
  if (newest === "") return "001";
  const time = timeOf(now).slice(0, newest.length);
  if (/^(?:19|20)\d{6,12}$/.test(newest) && time > newest) return time;
  const numbers = beside.map(numberOf).filter((number) => number !== "");
  return oneMore(newest, numbers.length > 1 && numbers.every(isRound) ? 10n : 1n);
}

/** `20240131120000` */
function timeOf(now: Date): string {
  return now.toISOString().replaceAll(/\D/g, "").slice(0, 14);
}

function isRound(number: string): boolean {
  return number.endsWith("0");
}

function oneMore(number: string, step: bigint): string {
  return String(BigInt(number) + step).padStart(number.length, "0");
}

/** What plans and failures show of a migration. What is left empty is not shown. */
function header(name: string): string {
  return `-- Purpose: ${name.replaceAll("_", " ")}\n-- Breaking Changes:\n-- Rollback:\n\n`;
}
