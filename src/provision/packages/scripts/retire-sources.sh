# shellcheck shell=sh
# What an earlier pgha or an image has for PGDG. apt leaves files alone that end in .save.
cd /etc/apt/sources.list.d || exit 0
for file in pgdg.list pgdg.sources pgha-packages.list; do
  if [ -f "$file" ]; then mv "$file" "$file.save"; fi
done
