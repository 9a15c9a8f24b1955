# shellcheck shell=sh
# What the user of Postgres is told when it asks for room of one WAL segment beside the file `$1`.
probe=$1.probe
said=$(runuser -u postgres -- dd if=/dev/urandom of="$probe" bs=1M count=16 conv=fsync 2>&1)
rm -f "$probe"
case $said in
*'No space left'*) echo 'No space left on device' ;;
*'quota exceeded'*) echo 'Disk quota exceeded' ;;
esac
