#!/bin/sh
# Install from Debian the programs that tests use as clients and as references. Does nothing if all are installed.
set -eu
cd "$(dirname "$0")/.."
. tools/root.sh
# shellcheck disable=SC2046 # one word per package
set -- $(missing_packages curl openssl strace swaks libnet-ssleay-perl isync neomutt fetchmail bsdutils systemd util-linux procps e2fsprogs nftables groff-base)
if [ $# -gt 0 ]; then
    echo "tests: installing $*"
    install_packages "$@"
fi

# smtp-source of Postfix, unpacked with its libraries: the package itself would start a mail server here
tools=build/tools
fetch_postfix() {
    as_root apt-get -qq --yes --no-install-recommends --download-only --reinstall -o Debug::NoLocking=1 \
        -o APT::Sandbox::User=root -o "Dir::Cache::archives=$PWD/$tools/archives" install postfix >/dev/null
}
if [ ! -x "$tools/usr/sbin/smtp-source" ]; then
    echo "tests: unpacking smtp-source"
    mkdir -p "$tools/archives/partial"
    fetch_postfix 2>/dev/null || { as_root apt-get -qq update && fetch_postfix; }
    for archive in "$tools"/archives/*.deb; do dpkg -x "$archive" "$tools"; done
fi
