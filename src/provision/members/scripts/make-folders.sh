# shellcheck shell=sh
# Makes its arguments, with make-parent.sh before it.
for each do make_parent "$each" || exit 1; done
