# shellcheck shell=bash
# `lab up`: examine what is there, then raise, repair, rebuild or add to it.

up() {
	local images=() wanted=() image found size=''
	while (($#)); do
		case $1 in
		--image=*) set -- --image "${1#*=}" "${@:2}" && continue ;;
		--image)
			[[ -n ${suite_of[${2:-none}]:-} ]] || bad_usage "--image takes debian/12 or debian/13."
			[[ " ${images[*]} " == *" $2 "* ]] || images+=("$2")
			shift 2
			;;
		--members=*) set -- --members "${1#*=}" "${@:2}" && continue ;;
		--members)
			[[ ${2:-} =~ ^[2-9]$ ]] || bad_usage "--members takes 2 to 9 (found '${2:-}'); without it there is one server."
			size=$2
			shift 2
			;;
		*) bad_usage "up does not know $1." ;;
		esac
	done
	((${#images[@]})) || images=(debian/12)
	check_machine
	lock_lab
	use_lab_environment
	forget_distances
	examine_lab
	found=$lab_state
	settle_size
	repair_lab
	for image in "${images[@]}"; do
		has_image "$image" || wanted+=("$image")
	done
	if [[ $lab_state == up ]] && ((${#wanted[@]} == 0)); then
		if [[ $found == up ]]; then step "lab $lab is up already"; else step "lab $lab is up again"; fi
		return
	fi
	trap 'exit 130' INT TERM HUP
	# Builders and commands end with this process; the sandbox is made to last.
	[[ $lab_state == up ]] || trap end_half_raised EXIT
	start_log
	bring_up "${wanted[@]}"
	[[ -e $run_dir/raised ]] || : >"$run_dir/raised"
	trap - EXIT
	step "lab $lab is up"
}

# A lab that is there keeps its kind; what is only remains becomes what is asked for, or else what it was.
settle_size() {
	local recorded
	recorded=$(recorded_size)
	if [[ -n $size && $size != "$recorded" && $lab_state != @(absent|broken) ]]; then
		give_up "lab $lab is up with ${recorded:-one} member${recorded:+s}, not $size." "End it first: lab/lab down"
	fi
	size=${size:-$recorded}
}

end_half_raised() {
	step "taking down what is half raised"
	# What still starts a member would start it after the end.
	((${#running[@]} == 0)) || wait "${running[@]}" || true
	end_sandbox
	forget_lab_lock
}

# Containers survive their daemon, so a daemon is started again; a lab whose
# sandbox is gone, or was never complete, is cleared away and built anew.
repair_lab() {
	local attempt
	for attempt in 1 2 3; do
		[[ $lab_state != @(up|absent) ]] || return 0
		start_log
		case $lab_state in
		daemon-dead)
			step "lab $lab: incusd does not answer: starting it again, containers stay"
			(start_daemon) 2>>"$log_file" || rebuild "incusd does not come back"
			;;
		members-down) (mend_members) 2> >(tee -a "$log_file" >&2) || rebuild "a member does not come back" ;;
		dns-dead)
			step "lab $lab: the name server is gone: starting it again"
			(start_dns) 2>>"$log_file" || rebuild "the name server does not come back"
			;;
		archive-dead)
			step "lab $lab: the archive's server is gone: starting it again"
			(start_archive_server) 2>>"$log_file" || rebuild "the archive's server does not come back"
			;;
		broken) rebuild "remains of a lab that ended early" ;;
		esac
		examine_lab
	done
	[[ $lab_state == up ]] || rebuild "it does not stay up"
}

# Clears the lab away, so that what follows raises it from nothing.
rebuild() {
	step "lab $lab: $1: clearing it away, building anew"
	end_sandbox
	lab_state=absent lab_aliases=''
}

start_log() {
	mkdir -p "$cache_dir/log"
	log_file=$cache_dir/log/$lab.log
	printf 'lab up, %s\n' "$(date)" >"$log_file"
}

# What can go side by side does: packages for the host and for the images are
# fetched while nothing else is there to do; the daemon comes up while an image
# is assembled.
bring_up() {
	local wanted=("$@") missing=() image entry
	declare -A builders=() logs=()
	mapfile -t missing < <(missing_packages)
	lock_cache_for "${wanted[@]}"
	for image in "${wanted[@]}"; do
		entry=$(cache_entry "$image")
		cached "$entry" || start_builder fetch "$image" "$entry"
	done
	if ((${#missing[@]})); then
		step "installing ${missing[*]}"
		install_packages "${missing[@]}"
	fi
	await_builders
	make_key
	for image in "${wanted[@]}"; do
		entry=$(cache_entry "$image")
		cached "$entry" || start_builder assemble "$image" "$entry"
	done
	if [[ $lab_state != up && -n $size ]]; then
		raise_cluster "$size"
	elif [[ $lab_state != up ]]; then
		step "starting incusd"
		start_sandbox
		start_daemon
		preseed
	fi
	await_builders
	for image in "${wanted[@]}"; do
		entry=$(cache_entry "$image")
		keep_entry "$image" "$entry"
		step "image $image: import"
		add_image "$image" "$entry"
	done
	unlock_cache
	archive_answers || start_archive_server
}

# To read the cache one shares it; to build into it, or to install on the host,
# one has it alone. Someone else may have built or installed what was missing.
lock_cache_for() {
	local image mode=shared
	((${#missing[@]} == 0)) || mode=alone
	for image in "$@"; do
		cached "$(cache_entry "$image")" || mode=alone
	done
	lock_cache "$mode"
	((${#missing[@]} == 0)) || { mapfile -t missing < <(missing_packages) && find_incus; }
}

# start_builder PART IMAGE ENTRY
start_builder() {
	local part=$1 image=$2 entry=$3
	[[ $part != fetch ]] || {
		rm -rf "$entry" "$entry.part"
		mkdir -p "$entry.part"
		step "image $image: fetching packages"
	}
	logs[$image]=$cache_dir/log/$lab-${image/\//-}-$part.log
	LAB_LOG=${logs[$image]} setpriv --pdeathsig KILL timeout -k 5 1200 "${contained[@]}" \
		"$lab_home/build" "$part" "$image" "$entry.part" \
		</dev/null >"${logs[$image]}" &
	builders[$image]=$!
}

await_builders() {
	local image
	for image in "${!builders[@]}"; do
		wait "${builders[$image]}" || {
			log_file=${logs[$image]}
			printf 'lab: image %s could not be built.\n' "$image" >&2
			show_log_tail
			exit 3
		}
	done
	builders=()
}

# An entry that is complete gets its name; then older ones are of no use.
keep_entry() {
	local image=$1 entry=$2
	[[ -d $entry.part ]] || return 0
	mv "$entry.part" "$entry"
	prune_cache "$image" "$entry"
}
