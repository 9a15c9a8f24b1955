# shellcheck shell=bash
# The members of a cluster: m1 to m9, each a sandbox like the one-server lab's, inside the lab's folders.

# How many there are to be is on record before the first one is made; nothing for a lab with one server.
recorded_size() {
	cat "/var/lib/pgha-lab/$lab/size" 2>/dev/null || true
}

is_cluster() {
	[[ -e /var/lib/pgha-lab/$lab/size ]]
}

member_names() {
	local size
	size=$(recorded_size)
	[[ ! $size =~ ^[2-9]$ ]] || seq -f 'm%.0f' "$size"
}

# Those of which anything is left, whatever is on record.
members_there() {
	find "$run_dir" "$state_dir" /run/netns -maxdepth 1 \( -name 'm[1-9]' -o -name "$netns.m[1-9]" \) 2>/dev/null |
		sed 's/.*[/.]//' | sort -u
}

# in_member MEMBER COMMAND...: with that member's names and places, and its daemon's socket.
in_member() (
	use_scope "$1"
	shift
	export INCUS_DIR=$incus_dir INCUS_SOCKET=$incus_dir/unix.socket INCUS_CONF=/var/lib/pgha-lab/$lab/admin
	"$@"
)

# each_member COMMAND... -- MEMBER...: for all at once, with the member as the last argument. Fails if one does.
# The processes that are at it: a lab that is given up waits for them.
running=()
each_member() {
	local each command=() failed=0
	running=()
	while [[ $1 != -- ]]; do command+=("$1") && shift; done
	shift
	for each; do
		"${command[@]}" "$each" &
		running+=($!)
	done
	for each in "${running[@]}"; do wait "$each" || failed=1; done
	running=()
	return "$failed"
}

# start_member MEMBER: its machine, as after a power cut, with its daemon; the cluster may still have to take it in.
start_member() {
	step "$1: starting"
	power_off "$1"
	in_member "$1" start_sandbox
	in_member "$1" wire_member
	[[ -z $(distance_of "$1") ]] || lay_distances
	in_member "$1" order incusd
}

# power_off MEMBER: all that runs there ends at once, without a word to the others; its disk stays.
power_off() {
	remove_port "$1"
	(
		use_scope "$1"
		kill_holder
		remove_cgroups "$cgroup"
		remove_netns
		rm -rf --one-file-system "$run_dir"
	)
}

# fault_of MEMBER: prints the member and why it is not of use, nothing if it is.
fault_of() {
	local listed code=0
	in_member "$1" holder_alive || { echo "$1:off" && return; }
	port_is_up "$1" || { echo "$1:cut off" && return; }
	# This is the database's answer, so the member has reached the cluster's leader.
	listed=$(in_member "$1" timeout 10 incus cluster list local: -f csv -c ns 2>&1) || code=$?
	case $code/$'\n'$listed$'\n' in
	0/*$'\n'"$1",ONLINE$'\n'*) ;;
	0/*$'\n'"$1",EVACUATED$'\n'*) echo "$1:evacuated" ;;
	0/*) echo "$1:offline" ;;
	*"doesn't appear to be started"*) echo "$1:without incusd" ;;
	*) echo "$1:silent" ;;
	esac
}

# Sets `faults`: the members that are not of use, each with its fault.
find_faults() {
	local each found names
	declare -gA faults=()
	mapfile -t names < <(member_names)
	while IFS=: read -r each found; do faults[$each]=$found; done < <(each_member fault_of -- "${names[@]}")
}

# As examine_lab (incus.sh), of a cluster.
examine_cluster() {
	lab_state=broken
	[[ -e $run_dir/raised && -e $netns_path ]] && holder_alive || return 0
	ip -n "$netns" -4 addr show dev "$bridge" 2>/dev/null | grep -qF "$bridge_address/" || return 0
	find_faults
	lab_state=members-down
	((${#faults[@]} == 0)) || return 0
	lab_aliases=$(in_member m1 timeout 10 incus query /1.0/images/aliases 2>/dev/null) || { faults[m1]=silent && return; }
	lab_state=dns-dead
	dns_answers || return 0
	lab_state=archive-dead
	archive_answers || return 0
	lab_state=up
}

# Members that run and have their cable: what a cluster needs more than half of.
majority_is_there() {
	local each all=0 there=0
	for each in $(member_names); do
		all=$((all + 1))
		if in_member "$each" holder_alive && port_is_up "$each"; then there=$((there + 1)); fi
	done
	((there * 2 > all))
}

# mend_member MEMBER: undoes whatever it suffers, but does not wait for the cluster. A daemon that is silent while another
# member is away may do no more than wait for it.
mend_member() {
	case ${faults[$1]:-} in
	off) start_member "$1" ;;
	'cut off')
		step "$1: its cable is in again"
		# A start that was killed may have left it without a port.
		set_port "$1" up 2>>"$log_file" || start_member "$1"
		;;
	silent | 'without incusd')
		[[ ${faults[$1]} != silent || "${faults[*]}" != *off* ]] || return 0
		step "$1: its incusd does not answer: starting it again"
		(in_member "$1" order incusd) 2>>"$log_file" || start_member "$1"
		;;
	evacuated)
		step "$1: was evacuated: restoring it"
		in_member "$1" logged 120 "restore of $1" incus cluster restore "local:$1" --force
		;;
	esac
}

# reaches FROM TO: a call that FROM's daemon passes on to TO's; Incus refuses those until both hear each other's events.
reaches() {
	in_member "$1" timeout 5 incus query "/1.0?target=$2" >/dev/null 2>&1
}

is_reached() {
	reaches "$2" "$1"
}

# sockets FROM TO: FROM's connections to TO as `FROM'S-END TO'S-END`, with a word more where something is not yet acknowledged.
sockets() {
	in_member "$1" nsenter_member timeout 5 ss -Htn state established dst "$(address_of "$2")" |
		awk '{ gsub(/\[::ffff:|\]/, ""); print $3, $4 ($2 > 0 ? " waiting" : "") }' | sort
}

nsenter_member() {
	nsenter --net="$netns_path" -- "$@"
}

# is_linked ONE OTHER: what each holds for a connection with the other, the other holds for one too. After a silent loss a
# daemon goes on listening to the one that died, for seconds, and calls by way of it wait for events that never come: in vain
# and for ever. Only the kernel tells.
is_linked() {
	local there back
	there=$(sockets "$1" "$2")
	back=$(sockets "$2" "$1" | awk '{ print $2, $1 ($3 ? " waiting" : "") }' | sort)
	[[ $there == "$back" && $there != *waiting* ]]
}

# Whether the member is of use, and calls go to it and from it, to and from all that are.
is_back() {
	local member=$1 other peers=()
	find_faults
	[[ ${faults[$member]:-evacuated} == evacuated ]] || return 1
	for other in $(member_names); do
		[[ $other == "$member" || -n ${faults[$other]:-} ]] || peers+=("$other")
	done
	# First, so that what the calls show is seen of connections that live.
	each_member is_linked "$member" -- "${peers[@]}" || return 1
	each_member reaches "$member" -- "${peers[@]}" || return 1
	each_member is_reached "$member" -- "${peers[@]}"
}

# await_member MEMBER: under a deadline. A cluster marks a member OFFLINE after 20 s, and talks to one that came back at
# its next heartbeat, of which there is one in 10 s. A daemon is ready once the containers run that ran before.
await_member() {
	local deadline=$((SECONDS + 60))
	until is_back "$1"; do
		((SECONDS < deadline)) ||
			give_up "$1 did not come back to the cluster within 60 s (${faults[$1]:-another does not reach it})." \
				"See /var/lib/pgha-lab/$lab/$1/incusd.log"
		sleep 0.2
	done
	in_member "$1" timeout 65 incus admin waitready --timeout 60 >/dev/null 2>&1 ||
		give_up "the containers of $1 did not start within 60 s." "See /var/lib/pgha-lab/$lab/$1/incusd.log"
	step "$1 is back"
}

# mend_members: all that have a fault, by find_faults. One that does not come back has its power cut first, and its
# containers with it; what even that does not mend is for the caller to find.
mend_members() {
	local each down
	mapfile -t down < <(printf '%s\n' "${!faults[@]}" | sort)
	for each in "${down[@]}"; do mend_member "$each"; done
	for each in "${down[@]}"; do
		(await_member "$each") && continue
		start_member "$each"
		await_member "$each"
	done
}
