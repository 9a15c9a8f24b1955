# shellcheck shell=sh
# Asks the distribution's postgresql-common for PGDG's address and key: its own script is run with a file of ours to
# write to, and with everything else that it would do left out. Up to Ubuntu 22.04 it hands its key to apt-key, later
# ones name a key file.
script=
for each in "$1"/*.sh; do if [ -f "$each" ]; then script=$each; fi; done
[ -n "$script" ] || exit 0
work=$(mktemp -d -p /var/tmp) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
for each in apt apt-get curl wget touch; do printf '#!/bin/sh\nexit 0\n' > "$work/bin/$each"; done
printf '#!/bin/sh\nexec cat > "%s"\n' "$work/key.asc" > "$work/bin/apt-key"
chmod 755 "$work"/bin/*
PATH=$work/bin:$PATH sh "$script" -y -f "$work/pgdg.sources" < /dev/null > /dev/null 2>&1
[ -f "$work/pgdg.sources" ] || exit 0
sed -n 's/^URIs: */repository /p; s/^deb \(\[[^]]*] *\)\{0,1\}\(http[^ ]*\) .*/repository \2/p' "$work/pgdg.sources" | head -n 1
key=$(sed -n 's/^Signed-By: *//p; s/^deb \[.*signed-by=\([^] ]*\).*/\1/p' "$work/pgdg.sources" | head -n 1)
# apt takes an armoured key within the source file, and a binary one does not fit there.
for each in "${key%.gpg}.asc" "$key" "$work/key.asc"; do
  if [ -f "$each" ] && grep -q 'BEGIN PGP PUBLIC KEY BLOCK' "$each"; then echo "key $(base64 -w0 < "$each")"; exit 0; fi
done
exit 0
