# shellcheck shell=sh
# Prints what is wrong with the pair in a file: nothing, `missing`, `expiring`, `mismatch` or `other host`.
# Runs in the container, so that the certificate's dates are held against the clock it serves by.
certificate_state() {
  [ -s "$1" ] || { echo missing; return; }
  case $2 in *[!0-9.]*) check=-checkhost ;; *) check=-checkip ;; esac
  case $2 in *:*) check=-checkip ;; esac
  told=$(openssl x509 -in "$1" -noout -pubkey "$check" "$2" 2>/dev/null)
  case $told in *'BEGIN PUBLIC KEY'*) ;; *) echo missing; return ;; esac
  key=$(openssl pkey -in "$1" -pubout 2>/dev/null) || { echo mismatch; return; }
  case $told in *"$key"*) ;; *) echo mismatch; return ;; esac
  openssl x509 -in "$1" -noout -checkend "$3" >/dev/null 2>&1 || { echo expiring; return; }
  case $told in *'does match'*) echo good ;; *) echo otherhost ;; esac
}
