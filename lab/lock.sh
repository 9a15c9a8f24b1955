# shellcheck shell=bash
# Locks that other terminals see. A lock file may be removed by whoever holds
# it, so after waiting one checks that the path still names the locked file.

# take_lock FILE WHAT SECONDS [shared]: sets lock_fd. Give it back with
# drop_lock "$lock_fd"; the kernel does so when the process ends.
take_lock() {
	local file=$1 what=$2 seconds=$3 mode=-x attempt
	[[ ${4:-} == shared ]] && mode=-s
	for attempt in {1..100}; do
		mkdir -p "${file%/*}"
		# The folder may vanish in between: another lab's last act is to remove it.
		{ exec {lock_fd}>>"$file"; } 2>/dev/null || { sleep 0.02 && continue; }
		if ! flock -n "$mode" "$lock_fd"; then
			step "waiting for $what, $seconds s at most"
			flock -w "$seconds" "$mode" "$lock_fd" ||
				give_up "$what is still busy after $seconds s." \
					"See who holds $file: fuser -v $file"
		fi
		[[ $file -ef /proc/self/fd/$lock_fd ]] && return
		drop_lock "$lock_fd"
	done
	give_up "$file could not be opened ($attempt attempts)." "Is its file system writable?"
}

lock_lab() {
	take_lock "$lock_file" "lab $lab (another terminal works on it)" 900
	lab_lock_fd=$lock_fd
}

# For the last act under the lab's lock.
forget_lab_lock() {
	rm -f "$lock_file"
	rmdir "${lock_file%/*}" 2>/dev/null || true
}

drop_lock() {
	local fd=$1
	exec {fd}>&-
}
