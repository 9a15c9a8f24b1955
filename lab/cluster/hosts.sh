# shellcheck shell=bash
# `lab host`: what happens to hosts, for tests; and what `lab up` and `lab status` do with a cluster.

# host ACTION [--incusd] MEMBER...
host() {
	local action=${1:-} each names daemon='' far=''
	[[ $action =~ ^(kill|cut|heal|boot|delay)$ ]] || bad_usage "host: which of kill, cut, heal, boot and delay?"
	shift
	if [[ $action == delay ]]; then
		[[ $# -gt 0 && ${*: -1} =~ ^([0-9]{1,4}(\.[0-9]{1,3})?)ms$ ]] ||
			bad_usage "host delay: how long is a round trip, such as 10ms? It comes last."
		far=${BASH_REMATCH[1]}
		[[ ! $far =~ ^[0.]+$ ]] || far=0
		set -- "${@:1:$#-1}"
	fi
	if [[ ${1:-} == --incusd ]]; then
		[[ $action == kill ]] || bad_usage "host $action takes no --incusd: only kill does."
		daemon=yes
		shift
	fi
	(($#)) || bad_usage "host $action: which member?"
	((EUID == 0)) || give_up "host needs root: it enters namespaces."
	require_up
	is_cluster || give_up "lab $lab has one server, and so no members." "Raise a cluster: lab/lab up --members 3"
	names=$(member_names)
	for each; do
		[[ $'\n'$names$'\n' == *$'\n'$each$'\n'* ]] || give_up "lab $lab has no member $each; it has ${names//$'\n'/, }."
	done
	lock_lab
	require_up
	"host_$action" "$@"
}

host_kill() {
	local each
	for each; do
		if [[ -n $daemon ]]; then
			kill_daemon "$each"
			step "$each: its incusd is killed, its containers stay"
		else
			power_off "$each"
			step "$each is without power"
		fi
	done
}

kill_daemon() {
	local deadline=$((SECONDS + 10))
	in_member "$1" holder_alive || give_up "$1 is off: it has no incusd." "Start it: lab/lab host boot $1"
	rm -f "$state_dir/$1/ended"
	in_member "$1" order incusd end
	until [[ -e $state_dir/$1/ended ]]; do
		((SECONDS < deadline)) || give_up "the incusd of $1 does not end within 10 s."
		sleep 0.02
	done
}

host_cut() {
	local each
	for each; do
		in_member "$each" holder_alive || give_up "$each is off: it has no cable to pull." "Start it: lab/lab host boot $each"
		set_port "$each" down
		step "$each is cut off"
	done
}

host_heal() {
	local each
	for each; do
		in_member "$each" holder_alive || give_up "$each is off: it needs more than a cable." "Start it: lab/lab host boot $each"
		set_port "$each" up
	done
	await_members "$@"
}

host_delay() {
	set_distance "$far" "$@"
	if [[ $far == 0 ]]; then step "$*: near again"; else step "$*: $far ms away"; fi
}

host_boot() {
	local each
	find_faults
	# An evacuated host stays so, as it would.
	for each; do [[ ${faults[$each]:-} == evacuated ]] || mend_member "$each"; done
	await_members "$@"
}

# The lab's lock is given back first, so that other hosts can have their accidents meanwhile.
await_members() {
	drop_lock "$lab_lock_fd"
	if ! majority_is_there; then
		step "no more than half of the members are there: the cluster answers once others are back"
		return 0
	fi
	local each
	for each; do await_member "$each"; done
}

# For `lab status`, after examine_lab.
show_members() {
	local each far
	printf 'members:\n'
	for each in $(member_names); do
		far=$(distance_of "$each")
		printf '  %s,%s,%s\n' "$each" "$(address_of "$each")" "${faults[$each]:-online}${far:+, $far ms away}"
	done
}
