#!/bin/bash
# Run the two companies with Molecule, from bare hosts to their removal. The hosts are removed even after a failure,
# unless KEEP=1 is set.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/root.sh
demand_root test-hosts
never=()
[ -z "${KEEP:-}" ] || never=(--destroy=never)
! command -v podman >/dev/null || as_root molecule/resources/remove_hosts.sh postroom-demo # left by an interrupted run
rm -f build/hosts-failed.txt
status=0
.venv/bin/molecule test "${never[@]}" || status=$?
if [ "$status" -ne 0 ] && [ -s build/hosts-failed.txt ]; then
  printf '\nWhat failed on the hosts, once more:\n\n'
  cat build/hosts-failed.txt
fi
exit "$status"
