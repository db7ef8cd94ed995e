import { byNumber } from "../../core/migration-tool.ts";
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
  const [separator = "_"] = /^[-_]/.exec(newest.slice(id.length)) ?? [];
  const stem = `${nextId(id, beside, now)}${separator}${name}`;
  const isUp = /\.up\.sql$/i.test(newest);
  const hasDown = beside.some((other) => isDown(other) && idOfDown(other) === id);
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
    .toSorted((a, b) => byNumber(b.id, a.id));
  return newest;
}

function idOfDown(file: string): string | undefined {
  return readFileName(file.replace(/\.down(?=\.sql$)/i, ""))?.id;
}

/** Above the newest, even where that is of a time to come. */
function nextTime(newest: string, now: Date): string {
  const time = timeOf(now);
  const isNumber = /^\d*$/.test(newest);
  const digits = isNumber ? newest : newest.replaceAll(/\D/g, "").slice(0, 14).padEnd(14, "0");
  return time > digits ? time : oneMore(digits, 1n);
}

function nextId(newest: string, beside: readonly string[], now: Date): string {
  if (newest === "") return "001";
  if (!/^\d+$/.test(newest)) return nextDate(newest, now);
  const time = timeOf(now).slice(0, newest.length);
  if (/^(?:19|20)\d{6,12}$/.test(newest) && time > newest) return time;
  const numbers = beside.flatMap((file) => /^\d+/.exec(file) ?? []);
  return oneMore(newest, numbers.length > 1 && numbers.every(isRound) ? 10n : 1n);
}

/** In the newest one's spelling; where the day is taken, with a time. */
function nextDate(newest: string, now: Date): string {
  const time = timeOf(now);
  const next = spellLike(newest, time);
  if (byNumber(next, newest) > 0) return next;
  const digits = newest.replaceAll(/\D/g, "");
  if (digits.length > 8) return spellLike(newest, oneMore(digits, 1n));
  return `${newest}${newest[4]}${time.endsWith("000000") ? "000001" : time.slice(8)}`;
}

/** `2024-01-31` like `2023_12_01` is `2024_01_31`. */
function spellLike(date: string, digits: string): string {
  let at = 0;
  return date.replaceAll(/\d/g, () => digits[at++] ?? "0");
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

/** Whether nobody has written anything into a file since `nextFiles` gave it. */
export function isUnwritten(text: string): boolean {
  return /^-- Purpose:[^\n]*\r?\n-- Breaking Changes:\s*\n-- Rollback:\s*$/.test(text);
}

/** What plans and failures show of a migration. What is left empty is not shown. */
function header(name: string): string {
  return `-- Purpose: ${name.replaceAll("_", " ")}\n-- Breaking Changes:\n-- Rollback:\n\n`;
}
