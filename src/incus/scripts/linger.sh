# shellcheck shell=sh
# Runs its arguments as a command, marks the end of what it printed where it succeeded, and lingers.
"$@"; code=$?; [ $code = 0 ] && printf '\npgha: end of output\n'; sleep 0.1; exit $code
