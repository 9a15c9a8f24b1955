# shellcheck shell=bash
# How far away hosts are: every frame from and to a far one is late. On record is a line for each, `MEMBER MILLISECONDS`,
# the milliseconds being those of a round trip. The port of a far member is out of the switch; a tap is there in its place,
# and the program `far` carries frames from one to the other.

distances=$state_dir/distances

# distance_of MEMBER: nothing for one that is near.
distance_of() {
	[[ ! -e $distances ]] || awk -v member="$1" '$1 == member { print $2 }' "$distances"
}

# set_distance MILLISECONDS MEMBER...: 0 is near.
set_distance() {
	local far=$1 each before=''
	shift
	[[ ! -e $distances ]] || before=$(<"$distances")
	for each; do before=$(grep -v "^$each " <<<"$before" || true); done
	{
		[[ -z $before ]] || printf '%s\n' "$before"
		[[ $far == 0 ]] || printf "%s $far\n" "$@"
	} >"$distances.new"
	mv "$distances.new" "$distances"
	lay_distances
}

# lay_distances: ports, taps and the program as they are on record. A host that boots has a new port.
lay_distances() {
	local each far ways=() chains='' deadline=$((SECONDS + 5))
	[[ -e $distances ]] || return 0
	order far end
	rm -f "$state_dir/far-ready"
	for each in $(member_names); do
		has_port "$each" || continue
		far=$(distance_of "$each")
		ip -n "$netns" link del "$each.far" 2>/dev/null || true
		[[ -n $far ]] || { ip -n "$netns" link set "$each" master "$bridge" && continue; }
		ip -n "$netns" tuntap add dev "$each.far" mode tap vnet_hdr
		ip -n "$netns" link set "$each.far" txqueuelen 20000 master "$bridge" up
		ip -n "$netns" link set "$each" nomaster
		# The client's own stack must not answer what arrives for the switch: `far` has read it by then.
		in_switch bash -c 'echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"' - "$each"
		chains+="chain $each { type filter hook ingress device $each priority 0; policy drop; }"$'\n'
		ways+=("$each=$(awk -v far="$far" 'BEGIN { print far / 2 }')")
	done
	printf 'table netdev far\ndelete table netdev far\n' | in_switch nft -f -
	((${#ways[@]})) || return 0
	printf 'table netdev far {\n%s}\n' "$chains" | in_switch nft -f -
	echo "${ways[*]}" >"$state_dir/far-ways"
	order far
	until [[ -e $state_dir/far-ready ]]; do
		((SECONDS < deadline)) || give_up "the delay does not start within 5 s." "See $state_dir/sandbox.log"
		sleep 0.02
	done
}

# forget_distances: for `lab up`, before it looks whether members answer.
forget_distances() {
	local members
	[[ -s $distances && -e $netns_path ]] && holder_alive || return 0
	mapfile -t members < <(member_names)
	set_distance 0 "${members[@]}"
	step "lab $lab: all hosts are near again"
}

in_switch() {
	nsenter --net="$netns_path" -- "$@"
}

has_port() {
	ip -n "$netns" link show "$1" >/dev/null 2>&1
}
