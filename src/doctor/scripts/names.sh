# shellcheck shell=sh
# What the name $1 leads to, and what its addresses lead back to: `address A` and `name N` lines.
for address in $(getent ahosts "$1" | sed 's/[[:space:]].*//' | sort -u); do
  echo "address $address"
  # The address, its name, and perhaps more names: Postgres takes the first.
  for name in $(getent hosts "$address" | sed 's/^[^[:space:]]*[[:space:]]*//; s/[[:space:]].*//'); do echo "name $name"; done
done
exit 0
