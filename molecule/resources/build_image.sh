#!/bin/sh
# Build the image of one bare Debian host for the demo and the tests, with Debian's packages and without a registry.
#
#   build_image.sh SUITE        SUITE is bookworm (Debian 12) or trixie (Debian 13)
#
# The image holds what a small Debian installation holds, and a local apt repository in /srv/packages with all that the
# roles install (packages.txt), so that the hosts need no network. The last line printed is the image's name. Its tag
# ends in a hash of the recipe: an image is made again only when this script or the package list has changed.
set -eu

suite=$1
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$here/../.." && pwd)/build/images
repository=localhost/postroom-host
recipe=$(cat "$here/build_image.sh" "$here/index_packages.sh" "$here/packages.txt" | sha256sum | cut -c 1-12)
image=$repository:$suite-$recipe
archive=$build/$suite-$recipe.tar

# What a bare Debian with SSH has. python3-apt comes with Debian's standard task; Ansible's check mode needs it.
base=systemd,systemd-sysv,dbus,libnss-systemd,openssh-server,python3,python3-apt,iproute2,ca-certificates,tzdata

podman=$here/podman.sh

if "$podman" image exists "$image"; then
    echo "$image"
    exit 0
fi

mkdir -p "$build"
if [ ! -f "$archive" ]; then
    echo "building $image (about half a minute)" >&2
    # mailx goes without its dependency on an MTA, which would bring exim along: our own package provides one.
    # not in /tmp, which is memory on Debian 13
    TMPDIR=/var/tmp mmdebstrap --quiet --variant=minbase --include="$base" --skip=cleanup/apt/lists \
        --customize-hook="export APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG && cd \"\$1/var/cache/apt/archives\" \
            && apt-get -qq --no-install-recommends --download-only install $(grep -v '^#' "$here/packages.txt" | tr '\n' ' ') \
            && apt-get -qq -o APT::Sandbox::User=root download bsd-mailx libbsd0 liblockfile1 liblockfile-bin libmd0" \
        --customize-hook="sh '$here/index_packages.sh' \"\$1\"" \
        --format=tar "$suite" "$archive.part" >&2
    mv "$archive.part" "$archive"
fi
# systemd wants the root mount to be shared, else units with LoadCredential= find an empty directory.
"$podman" import --quiet \
    --change 'CMD ["/bin/sh","-c","mount --make-rshared / && exec /sbin/init"]' \
    --change 'STOPSIGNAL SIGRTMIN+3' \
    "$archive" "$image" >&2

# What was built from older recipes goes, but for images that hosts still run on.
find "$build" -name "$suite-*.tar*" ! -path "$archive" -delete
"$podman" images --format '{{.Repository}}:{{.Tag}}' "$repository" | grep "^$repository:$suite-" | grep -vFx "$image" |
    while read -r old; do
        "$podman" rmi "$old" >/dev/null 2>&1 || true
    done
echo "$image"
