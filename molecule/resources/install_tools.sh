#!/bin/sh
# Install what the demo and the host tests need from Debian, as root or with sudo, and write build/containers.conf where
# podman needs to be told something about this machine. Does nothing when all is there.
set -eu
cd "$(dirname "$0")/../.."
. tools/root.sh

# podman's default runtime on machines with control groups v2 is crun; elsewhere runc starts systemd where crun refuses
runtime=crun
[ -f /sys/fs/cgroup/cgroup.controllers ] || runtime=runc
# shellcheck disable=SC2046 # one word per package
set -- $(missing_packages podman $runtime netavark iptables nftables iproute2 mmdebstrap openssh-client python3-venv ca-certificates)
if [ $# -gt 0 ]; then
    echo "installing $*"
    install_packages "$@"
fi

# podman's default limits suit a machine whose root may raise limits. Elsewhere no limit may be above our own.
mkdir -p build
largest=1048576
files=$(as_root sh -c 'ulimit -Hn')
# shellcheck disable=SC2016 # fields of awk
processes=$(as_root awk '/^Max processes/ {print $4}' /proc/self/limits)
[ "$files" = unlimited ] && files=$largest
[ "$processes" = unlimited ] && processes=$largest
if [ -f /sys/fs/cgroup/cgroup.controllers ] && [ "$files" -ge $largest ] && [ "$processes" -ge $largest ]; then
    rm -f build/containers.conf
else
    [ "$files" -lt $largest ] || files=$largest
    # runc is started with fewer processes allowed than root has; this many suit every machine we know.
    [ "$processes" -lt 30000 ] || processes=30000
    {
        echo '# Written by molecule/resources/install_tools.sh for this machine.'
        printf '[engine]\nruntime = "%s"\n' $runtime
        printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\n' \
            "$files" "$files" "$processes" "$processes"
        [ -f /sys/fs/cgroup/cgroup.controllers ] || echo 'pids_limit = 0'
    } >build/containers.conf
fi
