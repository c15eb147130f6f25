#!/bin/sh
# Say in one line what keeps this machine from holding the demo's hosts, with status 1; otherwise nothing. To be run as
# root, after install_tools.sh.
#
#   check_machine.sh NETWORK IPV4_SUBNET
set -eu
network=$1
subnet=$2
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$here/../.." && pwd)/build
needed=3 # GiB: two images, their archives, three hosts
! ls "$build"/images/*.tar >/dev/null 2>&1 || needed=1 # most of it is there already

refuse() {
    echo "$*" >&2
    exit 1
}

for setting in all default; do
    [ "$(cat /proc/sys/net/ipv6/conf/$setting/disable_ipv6 2>/dev/null)" = 0 ] ||
        refuse "This machine has no IPv6, and mail hosts have it:" \
            "sysctl -w net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0"
done

storage=$("$here/podman.sh" info --format '{{.Store.GraphRoot}}' 2>/dev/null) ||
    refuse "podman cannot run on this machine: $("$here/podman.sh" info 2>&1 >/dev/null | tail -n 1)"
for folder in "$storage" "$build" /var/tmp; do
    free=$(df --block-size=1G --output=avail "$folder" | tail -n 1 | tr -d ' ')
    [ "$free" -ge $needed ] || refuse "The disk is short of room: $folder has $free GiB free, the demo needs $needed"
done

# Routes into the subnet, or through it, that are neither the default route nor our own network's
ours=$("$here/podman.sh" network inspect "$network" 2>/dev/null | sed -n 's/.*"network_interface": "\(.*\)".*/\1/p')
taken=$( (ip -4 route show root "$subnet" && ip -4 route show match "$subnet") | grep -v '^default' |
    grep -vw "dev ${ours:-none}" | head -n 1 | sed "s, *$,,") || true
[ -z "$taken" ] || refuse "The demo's addresses, $subnet, are in use on this machine ($taken): end that network," \
    "or change the addresses in inventory/demo"
