# shellcheck shell=sh
# Starts whatever service a drop-in of that name, $2, in the folder $1 keeps down. The drop-in goes last: whoever is killed
# here leaves it for the next to find.
for file in "$1"/*.service.d/"$2"; do
  [ -e "$file" ] || continue
  unit=${file%/*}
  unit=${unit##*/}
  systemctl start "${unit%.d}" && rm -f "$file" && systemctl daemon-reload && echo started || exit 1
done
