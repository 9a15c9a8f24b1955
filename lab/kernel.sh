# shellcheck shell=bash
# The one setting of the machine's kernel that the lab needs otherwise.
#
# The inotify instances of all containers count against one limit of the host's
# root: 128 by default, which about fifteen containers with systemd use up. In
# the next one udevd does not start, and networkd then waits for it for ever.

inotify_limit=/proc/sys/fs/inotify/max_user_instances
inotify_before=/run/pgha-lab/max_user_instances

raise_inotify_limit() {
	local now
	now=$(<"$inotify_limit")
	((now < 2048)) || return 0
	[[ -e $inotify_before ]] || echo "$now" >"$inotify_before"
	echo 2048 >"$inotify_limit" || step "warning: $inotify_limit stays at $now; more than about fifteen containers will not boot"
}

# The last lab that goes down puts the limit back.
restore_inotify_limit() {
	[[ -e $inotify_before ]] || return 0
	[[ -z $(find /run/pgha-lab -mindepth 1 -maxdepth 1 -type d) ]] || return 0
	cat "$inotify_before" >"$inotify_limit" || true
	rm -f "$inotify_before"
}
