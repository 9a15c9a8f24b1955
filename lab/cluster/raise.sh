# shellcheck shell=bash
# A cluster is raised: members are started side by side, the first one is its seed, and the others join one by one.

raise_cluster() {
	local size=$1 each names
	mkdir -p "$state_dir/admin"
	chmod 711 "$state_dir"
	echo 'default-remote: local' >"$state_dir/admin/config.yml"
	# A lab that was to have one server has none from here on: what is left of a killed `up` is a cluster's.
	echo "$size" >"$state_dir/size"
	mapfile -t names < <(member_names)
	use_lab_environment
	start_sandbox
	make_switch
	start_dns
	each_member start_member -- "${names[@]}"
	in_member m1 seed_cluster
	for each in "${names[@]:1}"; do in_member "$each" join_cluster; done
	make_client "${names[@]}"
}

seed_cluster() {
	step "m1: the cluster's first member"
	logged 130 "incusd of m1" incus admin waitready --timeout 120
	cat >"$state_dir/preseed.yaml" <<-YAML
		config: {core.https_address: "$(address_of m1):8443"}
		storage_pools: [{name: default, driver: dir}]
		profiles:
		- name: default
		  devices:
		    eth0: {type: nic, nictype: bridged, parent: $member_bridge, name: eth0}
		    root: {type: disk, pool: default, path: /}
		cluster: {server_name: m1, enabled: true}
	YAML
	preseed_member
}

join_cluster() {
	local token
	step "$member: joins"
	logged 130 "incusd of $member" incus admin waitready --timeout 120
	token=$(in_member m1 timeout 20 incus cluster add "local:$member" --quiet | tail -n 1) || true
	[[ -n $token ]] || give_up "m1 gave no token for $member."
	cat >"$state_dir/preseed.yaml" <<-YAML
		cluster:
		  enabled: true
		  server_name: $member
		  server_address: $(address_of "$member"):8443
		  cluster_token: $token
		  member_config: [{entity: storage-pool, name: default, key: source, value: ""}]
	YAML
	preseed_member
}

# In the member's network: the client asks the cluster for its certificate.
preseed_member() {
	logged 60 "preseed of $member" nsenter --net="$netns_path" \
		bash -c 'exec incus admin init --preseed <"$1"' - "$state_dir/preseed.yaml"
}

# make_client MEMBER...: a client with a certificate that the cluster trusts, and a remote for each member. It is in the
# lab's network wherever it is called, as the members' addresses are there alone.
make_client() {
	local each client=$state_dir/client
	mkdir -p "$client"/{servercerts,bin}
	logged 20 "the client's certificate" env INCUS_CONF="$client" incus remote generate-certificate
	in_member m1 logged 20 "trust in the client" incus config trust add-certificate local: "$client/client.crt"
	{
		printf 'default-remote: m1\nremotes:\n'
		for each; do
			printf '  %s: {addr: "https://%s:8443", auth_type: tls, project: default, protocol: incus, public: false}\n' \
				"$each" "$(address_of "$each")"
		done
	} >"$client/config.yml"
	for each; do cp "$state_dir/m1/incus/cluster.crt" "$client/servercerts/$each.crt"; done
	cat >"$client/bin/incus" <<-SCRIPT
		#!/bin/sh
		[ "\$INCUS_CONF" != "$client" ] || exec nsenter --net="$netns_path" -- "$(command -v incus)" "\$@"
		exec "$(command -v incus)" "\$@"
	SCRIPT
	chmod 755 "$client/bin/incus"
}
