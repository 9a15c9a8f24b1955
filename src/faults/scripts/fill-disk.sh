# shellcheck shell=sh
# Takes all the room: in large pieces where the file system can set them aside, then byte by byte with what
# does not compress. Never more than `$2` bytes. A disk that is full, or a quota used up, is what it is for. It goes
# on when its client is killed: once an undo has removed the file, it makes no other.
file=$1 left=$2 piece=$2 have=0
umask 077; rm -f "$file" && : >"$file" || exit 1
while [ "$piece" -ge 1048576 ] && [ -e "$file" ]; do
  if [ "$piece" -le "$left" ] && fallocate -o "$have" -l "$piece" "$file" 2>/dev/null; then
    have=$((have + piece)) left=$((left - piece))
  else piece=$((piece / 2)); fi
done
while [ "$left" -gt 0 ] && [ -e "$file" ]; do
  piece=67108864
  [ "$piece" -le "$left" ] || piece=$left
  head -c "$piece" /dev/urandom 2>/dev/null | dd of="$file" bs=64k oflag=append conv=notrunc,nocreat 2>/dev/null || break
  left=$((left - piece))
done
head -c "$left" /dev/urandom 2>/dev/null | dd of="$file" bs=512 oflag=append conv=notrunc,nocreat 2>/dev/null
sync -f "$file" 2>/dev/null
exit 0
