#!/bin/bash
# The two companies by Molecule, from bare hosts to their removal. The hosts are removed also after a failure, unless
# KEEP=1 says otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
never=()
[ -z "${KEEP:-}" ] || never=(--destroy=never)
command -v podman >/dev/null && .venv/bin/ansible-playbook molecule/resources/destroy.yml >/dev/null # what an interrupted run has left
exec .venv/bin/molecule test "${never[@]}"
