# shellcheck shell=sh
# As root only what is not postgres' own: -execdir changes a name within a folder that is held open, and -h no link's
# target, so that nobody who has become postgres leads it anywhere else.
set -e; cd /
find "$1" -xdev '(' -type d -o -type f -links 1 ')' ! -user postgres -execdir chown -h postgres: '{}' +
runuser -u postgres -- find "$1" -xdev '(' -type d -o -type f ')' ! -perm -u+rw -exec chmod u+rwX '{}' +
case $(stat -c %a "$1") in 700 | 750) ;; *) runuser -u postgres -- chmod 0700 "$1" ;; esac
