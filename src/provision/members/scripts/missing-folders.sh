# shellcheck shell=sh
# Prints which of its arguments are not there.
for each do [ -e "$each" ] || printf "%s\n" "$each"; done
