#!/bin/bash
# Remove the demo's hosts, their network, their images, and all that was built.
# Images that the hosts of another checkout run on stay.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -f inventory/demo/group_vars/all/secrets.yml
if [ -x .venv/bin/ansible-playbook ] && command -v podman >/dev/null; then
    PATH=$PWD/.venv/bin:$PATH ansible-playbook molecule/resources/destroy.yml >/dev/null
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    images=$($as_root podman images --quiet localhost/postroom-host | sort -u)
    # shellcheck disable=SC2086 # one word per image
    [ -z "$images" ] || $as_root podman rmi $images >/dev/null 2>&1 || true
fi
rm -rf build .venv .ansible .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
echo "removed: the demo's hosts, network, images and secrets; build, .venv and caches"
