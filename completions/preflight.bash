# Bash's completion for preflight, made from its own tables: source this file, or put it as "preflight" into
# /usr/share/bash-completion/completions. For zsh: autoload -U bashcompinit && bashcompinit, then source it.
_preflight() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= flags= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
    --) return ;;
    run | check | status | bake | audit | new | history | stamp | undo | repair) command=${command:-$word} ;;
    esac
  done
  case $previous in
    --stamp) COMPREPLY=($(compgen -W "proven never" -- "$current")); return ;;
    --drift) COMPREPLY=($(compgen -W "fail warn" -- "$current")); return ;;
    --ahead) COMPREPLY=($(compgen -W "compatible allow refuse" -- "$current")); return ;;
    --unverified) COMPREPLY=($(compgen -W "start refuse" -- "$current")); return ;;
    --enforce) COMPREPLY=($(compgen -W "on off" -- "$current")); return ;;
    --journal) COMPREPLY=($(compgen -W "on require off" -- "$current")); return ;;
    # A file, perhaps, which is Bash's own default.
    --migrations | --tool | --version-table | --schema | --ledger | --assume | --image-version | --to | --accept-empty | --timeout | --lock-timeout | --upgrade-timeout | --ddl-lock-timeout | --upgrade-command | --program-env | --env-file | --scratch-url | --scratch-image | --scratch-init | --scratch-without | --varies | --metrics-file) return ;;
  esac
  case ${command:-run} in
    run) flags="--migrations --tool --verbose --ledger --version-table --schema --stamp --drift --ahead --unverified --assume --allow-out-of-order --resume --timeout --lock-timeout --program-env --env-file --metrics-file --journal --image-version --enforce --upgrade-timeout --ddl-lock-timeout --upgrade-command --check-only" ;;
    check) flags="--migrations --tool --verbose --ledger --version-table --schema --stamp --drift --ahead --unverified --assume --allow-out-of-order --resume --timeout --lock-timeout --program-env --env-file --metrics-file --journal --image-version --enforce --upgrade-timeout --ddl-lock-timeout --upgrade-command --exit-code" ;;
    status) flags="--migrations --tool --verbose --ledger --version-table --schema --stamp --drift --ahead --unverified --assume --allow-out-of-order --resume --timeout --lock-timeout --program-env --env-file --metrics-file --journal --image-version --enforce --upgrade-timeout --ddl-lock-timeout --upgrade-command --exit-code" ;;
    bake) flags="--migrations --tool --verbose --ledger --version-table --upgrade-command --program-env --env-file --check --scratch-url --scratch-image --scratch-init --scratch-without --scratch-unconfined --varies" ;;
    audit) flags="--migrations --tool --verbose --ledger --json" ;;
    new) flags="--migrations --tool --verbose" ;;
    history) flags="--timeout --env-file --json --verbose" ;;
    stamp) flags="--migrations --tool --verbose --ledger --version-table --schema --stamp --drift --ahead --unverified --assume --allow-out-of-order --resume --timeout --lock-timeout --program-env --env-file --metrics-file --journal --image-version --force" ;;
    undo) flags="--migrations --tool --verbose --ledger --version-table --schema --stamp --drift --ahead --unverified --assume --allow-out-of-order --resume --timeout --lock-timeout --program-env --env-file --metrics-file --journal --image-version --force" ;;
    repair) flags="--migrations --tool --verbose --ledger --version-table --schema --stamp --drift --ahead --unverified --assume --allow-out-of-order --resume --timeout --lock-timeout --program-env --env-file --metrics-file --journal --image-version --ddl-lock-timeout --to --apply --accept-empty" ;;
  esac
  [ -n "$command" ] || flags="run check status bake audit new history stamp undo repair --version $flags"
  COMPREPLY=($(compgen -W "$flags --help" -- "$current"))
}
complete -o default -F _preflight preflight
