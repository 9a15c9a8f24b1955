# shellcheck shell=bash
# What the person at the terminal sees: one line per step on stderr with the
# time since the start. The commands' own output goes to $log_file.

# Exported, so that the builders count from the same instant.
export LAB_STARTED_US=${LAB_STARTED_US:-${EPOCHREALTIME/[.,]/}}
log_file=${LAB_LOG:-/dev/null}

step() {
	local us=$((${EPOCHREALTIME/[.,]/} - LAB_STARTED_US))
	printf '[%4d.%ds] %s\n' $((us / 1000000)) $((us / 100000 % 10)) "$*" >&2
}

# Exit code 3 is the project's "it could not run".
give_up() {
	printf 'lab: %s\n' "$1" >&2
	shift
	(($# == 0)) || printf '     %s\n' "$@" >&2
	exit 3
}

show_log_tail() {
	printf '     the last lines of %s:\n' "$log_file" >&2
	tail -n 15 "$log_file" | sed 's/^/     | /' >&2
}

# logged SECONDS WHAT COMMAND...: runs the command with a deadline; its output
# goes to the log. It runs in the background so that a signal to this shell is
# acted upon at once and not when the command returns, and it does not outlive
# this shell.
# Prefix for a command whose whole offspring ends with it, daemons included: it
# is the init of a PID namespace. Its mounts vanish with it as well.
# shellcheck disable=SC2034
contained=(setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc --)

logged() {
	local seconds=$1 what=$2 status=0 child
	shift 2
	printf '\n== %s: %s\n' "$what" "$*" >>"$log_file"
	setpriv --pdeathsig KILL timeout -k 5 "$seconds" setpriv --pdeathsig KILL "$@" >>"$log_file" 2>&1 </dev/null &
	child=$!
	wait "$child" || status=$?
	((status == 0)) && return 0
	if ((status == 124 || status == 137)); then
		printf 'lab: %s: not done within %s s: %s\n' "$what" "$seconds" "$*" >&2
	else
		printf 'lab: %s: exit code %s from: %s\n' "$what" "$status" "$*" >&2
	fi
	show_log_tail
	exit 3
}
