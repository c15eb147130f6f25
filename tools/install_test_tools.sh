#!/bin/sh
# Install from Debian the programs that tests run as clients and as judges. Does nothing when all are there.
set -eu
cd "$(dirname "$0")/.."
. tools/root.sh
# shellcheck disable=SC2046 # one word per package
set -- $(missing_packages curl openssl strace swaks libnet-ssleay-perl isync neomutt fetchmail bsdutils systemd util-linux procps e2fsprogs nftables)
[ $# -gt 0 ] || exit 0
echo "tests: installing $*"
install_packages "$@"
