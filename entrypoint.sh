#!/bin/sh
# The shell form of `preflight run -- command arg…`: entrypoint.sh command arg…
# The command starts only when preflight ends with 0. While preflight runs, signals are passed on to it.

told=''
child=''

pass_on() {
  told=$1
  [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null
}

leave() {
  case $told in
    HUP) exit 129 ;;
    INT) exit 130 ;;
    TERM) exit 143 ;;
  esac
}

for signal in HUP INT TERM; do
  # shellcheck disable=SC2064 # each trap has its own signal's name in it
  trap "pass_on $signal" "$signal"
done

# In the background: a shell that waits for a foreground child notices no signal before the child's end.
# stdout is the command's, so what preflight says goes to stderr.
preflight run >&2 &
child=$!
[ -z "$told" ] || kill -s "$told" "$child" 2>/dev/null

wait "$child"
status=$?
# A signal ends `wait` early, and preflight may need a while to end well.
while [ "$status" -gt 128 ] && kill -0 "$child" 2>/dev/null; do
  wait "$child"
  status=$?
done

[ "$status" -eq 0 ] || exit "$status"

# Preflight said yes. Whoever was told to stop meanwhile does not start the command.
for signal in HUP INT TERM; do
  # shellcheck disable=SC2064
  trap "told=$signal; leave" "$signal"
done
leave
[ "$#" -gt 0 ] || exit 0
exec "$@"
