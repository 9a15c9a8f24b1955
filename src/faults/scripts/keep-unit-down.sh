# shellcheck shell=sh
# The unit restarts on failure (RestartSec=1), which would make a second's outage of it.
mkdir -p "${2%/*}" && printf '[Service]\nRestart=no\n' >"$2" && systemctl daemon-reload &&
[ "$(systemctl show --property=Restart --value "$1")" = no ]
