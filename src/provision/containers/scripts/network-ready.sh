# shellcheck shell=sh
# Waits, ten seconds at most, for an address, and its own host, $1, resolved where it is a name: only then do HBA rules and connections by name work.
for _ in $(seq 100); do
  addresses=$(ip -o addr show scope global | grep inet) &&
    { printf '%s\n' "$addresses" | grep -qF " $1/" || getent hosts "$1" > /dev/null; } && exit 0
  sleep 0.1
done
exit 1
