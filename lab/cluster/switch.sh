# shellcheck shell=bash
# A cluster's network: one flat layer 2. The lab's own namespace is the switch, with the client, the archive and the name
# server at its address; each member has a port there, and a bridge that its containers share with its own address.

member_bridge=br0

address_of() {
	echo "$member_network.1${1#m}"
}

make_switch() {
	# An address of its own: otherwise it has the lowest of its ports', and another one whenever a host comes or goes.
	ip -n "$netns" link add "$bridge" address 02:70:67:68:61:01 type bridge
	ip -n "$netns" link set "$bridge" up
	ip -n "$netns" addr add "$bridge_address/24" dev "$bridge"
}

# wire_member: the network of the member whose scope this is, whose namespace is there. A host that boots again has the
# hardware address it had: the others have it in their tables.
wire_member() {
	local switch=pgha-lab-$lab
	ip -n "$netns" link add "$member_bridge" address "02:70:67:68:61:1${member#m}" type bridge
	ip -n "$netns" link set "$member_bridge" up
	ip -n "$switch" link add "$member" type veth peer name up0 netns "$netns"
	ip -n "$switch" link set "$member" master "$bridge" up
	ip -n "$netns" link set up0 master "$member_bridge" up
	ip -n "$netns" addr add "$(address_of "$member")/24" dev "$member_bridge"
}

# set_port MEMBER up|down: its cable.
set_port() {
	ip -n "$netns" link set "$1" "$2"
}

# Together with its other end, which the kernel would keep a while longer than the namespace it is in.
remove_port() {
	ip -n "$netns" link del "$1" 2>/dev/null || true
}

port_is_up() {
	[[ $(ip -n "$netns" link show "$1" 2>/dev/null) == *[,\<]UP[,\>]* ]]
}

# dnsmasq has its TCP socket for names as long as it has the others.
dns_answers() {
	timeout 5 nsenter --net="$netns_path" bash -c 'exec 3<>"/dev/tcp/$1/53"' - "$bridge_address" 2>/dev/null
}

start_dns() {
	local deadline=$((SECONDS + 10))
	order dns
	until dns_answers; do
		((SECONDS < deadline)) || give_up "the cluster's name server does not answer." "See $state_dir/sandbox.log"
		sleep 0.05
	done
}
