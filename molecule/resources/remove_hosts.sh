#!/bin/sh
# Remove what create.yml has made: the containers on this network, and the network. Says what it removed. To be run as
# root. The images stay.
#
#   remove_hosts.sh NETWORK
set -eu
network=$1
podman=$(dirname "$0")/podman.sh

# shellcheck disable=SC2046 # one word per container
set -- $("$podman" ps --all --filter "name=^$network-" --format '{{.Names}}')
# once more where one was just about to stop by itself, which podman takes for an error
[ $# -eq 0 ] || "$podman" rm --force --volumes --time 0 "$@" 2>/dev/null ||
    "$podman" rm --force --ignore --volumes --time 0 "$@"
! "$podman" network exists "$network" || "$podman" network rm --force "$network"
