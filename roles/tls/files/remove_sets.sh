#!/bin/sh
# Remove the certificate sets of a folder that are not named, and print their names.
# Arguments: the folder; "remove", or "show" to print only; the names of the sets that stay.
set -eu
cd "$1" 2>/dev/null || exit 0
act=$2
shift 2
for set in */; do
  set=${set%/}
  case " $* " in *" $set "*) continue ;; esac
  [ -f "$set/fullchain.pem" ] || continue
  echo "$set"
  if [ "$act" = remove ]; then rm -r -- "$set"; fi
done
