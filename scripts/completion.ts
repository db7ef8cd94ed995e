import { z } from "zod";
import type { CommandLine } from "../src/settings/command-line.ts";
import type { SettingRow } from "../src/settings/settings-table.ts";

/** Bash's completion, of the tables of commands and settings. What stands after `--` is another program's affair. */
export function bashCompletion(
  commands: readonly CommandLine[],
  settings: Readonly<Record<string, SettingRow>>,
): string {
  const rows = Object.entries(settings);
  const values = rows.flatMap(([flag, row]) => {
    const words = wordsOf(row);
    return words === null ? [] : [`    --${flag}) ${reply(words.join(" "))} ;;`];
  });
  const others = rows
    .filter(([, row]) => row.placeholder !== null && wordsOf(row) === null)
    .map(([flag]) => `--${flag}`);
  const flags = commands.map(
    (command) =>
      `    ${command.name}) flags="${command.flags.map((flag) => `--${flag}`).join(" ")}" ;;`,
  );
  const names = commands.map(({ name }) => name);
  return `# Bash's completion for preflight, made from its own tables: source this file, or put it as "preflight" into
# /usr/share/bash-completion/completions. For zsh: autoload -U bashcompinit && bashcompinit, then source it.
_preflight() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command= flags= word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
    --) return ;;
    ${names.join(" | ")}) command=\${command:-$word} ;;
    esac
  done
  case $previous in
${values.join("\n")}
    # A file, perhaps, which is Bash's own default.
    ${others.join(" | ")}) return ;;
  esac
  case \${command:-run} in
${flags.join("\n")}
  esac
  [ -n "$command" ] || flags="${names.join(" ")} --version $flags"
  COMPREPLY=($(compgen -W "$flags --help" -- "$current"))
}
complete -o default -F _preflight preflight
`;
}

function reply(words: string): string {
  return `COMPREPLY=($(compgen -W "${words}" -- "$current")); return`;
}

/** Null: any text. */
function wordsOf({ placeholder, schema }: SettingRow): readonly string[] | null {
  if (placeholder?.includes("|") === true) return placeholder.split("|");
  return schema instanceof z.ZodPipe && schema.out instanceof z.ZodEnum
    ? schema.out.options.map(String)
    : null;
}
