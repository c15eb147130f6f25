#!/bin/sh
# Turn the packages that apt has downloaded inside a new image (ROOT) into its only package source: /srv/packages.
# Called by build_image.sh through mmdebstrap. Needs nothing but dpkg and coreutils.
set -eu
root=$1
packages=$root/srv/packages

mkdir -p "$packages"
mv "$root"/var/cache/apt/archives/*.deb "$packages/"
cd "$packages"
for package in *.deb; do
    dpkg-deb --field "$package"
    echo "Filename: ./$package"
    echo "Size: $(stat --format %s "$package")"
    echo "SHA256: $(sha256sum "$package" | cut -d ' ' -f 1)"
    echo
done >Packages

rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/srv/packages ./' >"$root/etc/apt/sources.list"
chroot "$root" apt-get --quiet --quiet update

# The build machine's resolver means nothing to the host; the role "resolver" writes this file.
rm -f "$root/etc/resolv.conf"
echo '# no resolver yet' >"$root/etc/resolv.conf"
chmod 0644 "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
