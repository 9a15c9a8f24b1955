# shellcheck shell=bash
# The sandbox: network, mount, PID and cgroup namespaces that hold everything
# the lab runs. Two things make its end complete: killing the PID namespace's
# init ends all processes in it, and the lab's own control group lists them.

# The process that holds the sandbox is known by its id, its start time and the
# boot, so that an id that is used again is never taken for it.
holder_alive() {
	local pid started boot
	{ read -r pid started boot <"$run_dir/holder"; } 2>/dev/null || return 1
	[[ ${boot:=$(boot_id)} == "$(boot_id)" && -n $started && $started == "$(started_at "$pid")" ]]
}

boot_id() {
	echo "$(</proc/sys/kernel/random/boot_id)"
}

# Field 22 of /proc/PID/stat, nothing for a process that is gone or a zombie.
# The command name in field 2 may hold anything, so one counts from its end.
started_at() {
	local stat fields
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	read -ra fields <<<"${stat##*) }"
	[[ ${fields[0]} == Z ]] || echo "${fields[19]}"
}

# start_sandbox: returns when the init takes orders. It lives in a session of its
# own and holds none of the caller's files open: only the lab's lock, until it is
# on record and in its control group. If `lab up` is killed right here, the next
# one waits for that and finds all there is to clear away.
start_sandbox() {
	local deadline=$((SECONDS + 20))
	mkdir -p "$run_dir" "$state_dir"/{incus,tmp,www,client,empty}
	raise_inotify_limit
	chmod 711 "$state_dir"
	# A client of a lab that is gone makes the folder anew, for itself alone; containers go through it.
	chmod 755 /var/lib/pgha-lab
	ip netns add "$netns"
	ip -n "$netns" link set lo up
	rm -f "$run_dir"/{orders,ready}
	mkfifo -m 600 "$run_dir/orders"
	: >"$state_dir/sandbox.log"
	(
		close_inherited "$lab_lock_fd"
		cd /
		# A clean environment: a runner ends what bears its tracking variables.
		exec env -i PATH="$incus_path" PGHA_LAB="$lab" LAB_MEMBER="$member" LAB_INCUSD="$incusd" \
			LAB_LOCK_FD="$lab_lock_fd" HOME=/root LANG=C.UTF-8 \
			setsid --fork nsenter --net="$netns_path" unshare --mount --uts \
			"$lab_home/sandbox" hold </dev/null >>"$state_dir/sandbox.log" 2>&1
	)
	until [[ -e $run_dir/ready ]]; do
		((SECONDS < deadline)) || {
			cat "$state_dir/sandbox.log" >>"$log_file"
			show_log_tail
			give_up "the sandbox did not come up within 20 s."
		}
		sleep 0.02
	done
}

# close_inherited [FD]: all open files but the standard ones and FD.
close_inherited() {
	local fd
	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		((fd <= 2 || fd == ${1:-0})) || exec {fd}>&-
	done
}

# order SERVICE [end]: has the sandbox's init start one of its services (sandbox), or end it.
order() {
	timeout 5 bash -c 'echo "$1" >"$2"' - "$*" "$run_dir/orders" ||
		give_up "the lab's init takes no order: $*." "See $state_dir/sandbox.log"
}

# end_sandbox: whatever of it is there, in whatever state; of a cluster, also its members.
end_sandbox() {
	local each members=()
	mapfile -t members < <(members_there)
	for each in "${members[@]}"; do (use_scope "$each" && kill_holder); done
	kill_holder
	remove_cgroups "${members[@]/#/$cgroup.}" "$cgroup"
	for each in "${members[@]}"; do (use_scope "$each" && remove_netns); done
	remove_netns
	forget_netns_folder
	timeout 300 rm -rf --one-file-system "$run_dir" "$state_dir" ||
		give_up "$state_dir could not be removed." "Run lab/lab down again."
	restore_inotify_limit
	rmdir /run/pgha-lab/ /var/lib/pgha-lab/ 2>/dev/null || true
}

kill_holder() {
	local pid
	holder_alive || return 0
	read -r pid _ <"$run_dir/holder"
	kill -KILL "$pid" 2>/dev/null || true
}

remove_netns() {
	[[ ! -e $netns_path ]] || ip netns del "$netns" 2>/dev/null || rm -f "$netns_path"
}

# `ip netns add` makes /run/netns a mount point of its own; nothing needs it
# once no namespace is left there.
forget_netns_folder() {
	[[ -d /run/netns && -z $(ls -A /run/netns) ]] || return 0
	umount /run/netns 2>/dev/null || true
	rmdir /run/netns 2>/dev/null || true
}

# remove_cgroups NAME...: ends what is left in the lab's control groups, where
# only the lab's processes ever are, and removes them. Killing the holder takes
# its offspring along, so as a rule there is nothing to end; the kernel needs a
# moment to reap them. Where it can end a whole group at once, it does (5.14).
remove_cgroups() {
	timeout 30 unshare --mount bash -c '
		mount -t cgroup2 cgroup2 "$1" || exit 1
		cd "$1"
		shift
		for group; do [ ! -e "$group/cgroup.kill" ] || echo 1 >"$group/cgroup.kill"; done
		for group; do
			for attempt in {1..200}; do
				[ -d "$group" ] || continue 2
				find "$group" -name cgroup.procs -exec cat {} + | while read -r pid; do
					[ "$pid" = 0 ] || kill -KILL "$pid" 2>/dev/null
				done
				find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
				[ -d "$group" ] || continue 2
				sleep 0.02
			done
			exit 1
		done' - /mnt "$@" ||
		step "a control group could not be removed: $*"
}
