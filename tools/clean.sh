#!/bin/bash
# Remove the demo's hosts, their network, their images, its secrets, and everything that was built, even after an interrupted run. Images
# that other hosts use stay.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/root.sh
if [ -d build/images ] || [ -d build/bench ]; then
    demand_root clean
fi
if is_root_possible; then
    if command -v podman >/dev/null; then
        as_root molecule/resources/remove_hosts.sh postroom-demo >/dev/null
        as_root podman images --format '{{.Repository}}:{{.Tag}}' localhost/postroom-host | while read -r image; do
            as_root podman rmi "$image" >/dev/null 2>&1 </dev/null || true
        done
    fi
    as_root rm -rf build # root has created a part of it
fi
rm -f inventory/demo/group_vars/postroom/secrets.yml
rm -rf build .venv .ansible .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
echo "removed: the demo's hosts, network, images and secrets; build, .venv and caches"
