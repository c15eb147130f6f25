#!/bin/sh
# Install what the demo and the host tests need from Debian, as root or with sudo, and write build/containers.conf where
# podman needs to be told something about this machine. Does nothing when all is there.
set -eu

build=$(cd "$(dirname "$0")/../.." && pwd)/build
tools="podman runc netavark iptables mmdebstrap openssh-client python3-venv ca-certificates"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

missing=
for tool in $tools; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$tool" 2>/dev/null | grep -qx installed || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "installing$missing"
    as_root apt-get -qq update
    # shellcheck disable=SC2086 # one word per package
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends install $missing >/dev/null
fi

# podman's default runtime and limits suit a machine with control groups v2 whose root may raise limits. Elsewhere runc
# starts systemd where crun refuses, and no limit may be above our own.
mkdir -p "$build"
largest=1048576
files=$(as_root sh -c 'ulimit -Hn')
processes=$(as_root awk '/^Max processes/ {print $4}' /proc/self/limits)
[ "$files" = unlimited ] && files=$largest
[ "$processes" = unlimited ] && processes=$largest
if [ -f /sys/fs/cgroup/cgroup.controllers ] && [ "$files" -ge $largest ] && [ "$processes" -ge $largest ]; then
    rm -f "$build/containers.conf"
else
    [ "$files" -lt $largest ] || files=$largest
    # runc is started with fewer processes allowed than root has; this many suit every machine we know.
    [ "$processes" -lt 30000 ] || processes=30000
    {
        echo '# Written by molecule/resources/install_tools.sh for this machine.'
        if [ ! -f /sys/fs/cgroup/cgroup.controllers ]; then
            printf '[engine]\nruntime = "runc"\n'
        fi
        printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\n' \
            "$files" "$files" "$processes" "$processes"
        [ -f /sys/fs/cgroup/cgroup.controllers ] || echo 'pids_limit = 0'
    } >"$build/containers.conf"
fi
