# shellcheck shell=bash
# What is costly to make is kept in $cache_dir: one entry per suite (the signed
# archive and the image made from it), and the key that signs them. An entry is
# built in a temporary folder and renamed, so what bears the name is complete.
# Its name holds a hash of the recipe: a changed recipe makes a new entry.

# An entry's folder for an image, there or not.
cache_entry() {
	local recipe
	recipe=$(cat "$lab_home"/{archive,image}.sh "$lab_home/build" <(echo "$arch $bridge_address") | sha256sum)
	printf '%s/%s-%s\n' "$cache_dir" "${suite_of[$1]}" "${recipe:0:16}"
}

# Whether an entry is there and signed by the key that is there.
cached() {
	[[ -d $1 ]] && cmp -s "$1/key.asc" "$cache_dir/key/lab.asc"
}

# lock_cache shared | alone
lock_cache() {
	take_lock "$cache_dir/.lock" "the cache $cache_dir (another lab fills it)" 900 "$1"
	cache_lock_fd=$lock_fd
}

unlock_cache() {
	drop_lock "$cache_lock_fd"
}

# Entries of other recipes, and what killed builders left. Call with the lock.
prune_cache() {
	local suite=${suite_of[$1]} entry=$2 other
	for other in "$cache_dir/$suite"-*; do
		[[ $other == "$entry" || ! -e $other ]] || rm -rf "$other"
	done
}

# Only what is the lab's: the folder may have been someone's slip of the pen.
purge_cache() {
	[[ -d $cache_dir ]] || return 0
	lock_cache alone
	rm -rf "$cache_dir"/{bookworm,trixie}-* "$cache_dir"/{key,log,host-apt} "$cache_dir/.lock"
	unlock_cache
	rmdir "$cache_dir" 2>/dev/null || step "$cache_dir holds other things: kept"
}

# The key pair, made once. Only root can read the private half.
make_key() {
	[[ -s $cache_dir/key/lab.asc ]] && return
	local dir=$cache_dir/key
	rm -rf "$dir"
	mkdir -m 700 "$dir" "$dir/private"
	logged 60 "signing key" "${contained[@]}" "$lab_home/build" key "$dir"
	chmod 755 "$dir"
}
