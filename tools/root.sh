# shellcheck shell=sh
# Become root for the scripts in this folder: they are root already, or use sudo. Source this file.

as_root() { # command...
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi
}

is_root_possible() { # without a password prompt
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

# Exit with one line if that is not possible: Ansible cannot prompt for a password.
demand_root() { # the make target
    if is_root_possible; then
        return 0
    elif command -v sudo >/dev/null; then
        echo "make $1 needs root, and sudo asks for a password here: say 'sudo make $1', and the same for the other targets" >&2
    else
        echo "make $1 needs root or sudo, and there is no sudo here: become root and say it again" >&2
    fi
    exit 1
}

# Debian packages that are not installed, each after a space.
missing_packages() { # name...
    for package in "$@"; do
        dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            printf ' %s' "$package"
    done
}

install_packages() { # name...
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends install "$@" >/dev/null
}
