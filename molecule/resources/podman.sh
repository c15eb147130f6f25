#!/bin/sh
# podman with what install_tools.sh has found out about this machine. To be run as root.
set -eu
settings=$(cd "$(dirname "$0")/../.." && pwd)/build/containers.conf
if [ -f "$settings" ]; then
    export CONTAINERS_CONF="$settings"
fi
exec podman "$@"
