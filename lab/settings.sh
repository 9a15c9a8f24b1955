# shellcheck shell=bash
# shellcheck disable=SC2034  # read by the files that source this one
# Names, places and addresses of one lab. Everything is keyed by the lab's name.

lab=${PGHA_LAB:-pgha}
cache_dir=${PGHA_LAB_CACHE:-/var/cache/pgha-lab}

run_dir=/run/pgha-lab/$lab
lock_file=/run/pgha-lab/$lab.lock
state_dir=/var/lib/pgha-lab/$lab
incus_dir=$state_dir/incus
netns=pgha-lab-$lab
netns_path=/run/netns/$netns
# The lab's control group, from the root of the cgroup v2 hierarchy.
cgroup=pgha-lab-$lab

# Two labs may use the same addresses: each is alone in its network namespace.
bridge=incusbr0
bridge_address=10.77.7.1
archive_port=8080
archive_url=http://$bridge_address:$archive_port

# The images by their alias, and the Debian suite each is made of.
declare -A suite_of=([debian/12]=bookworm [debian/13]=trixie)
