#!/bin/sh
# Make .venv from the hash-locked requirements, with the agents installed for editing. Installs Debian's python3-venv
# where it is missing (as root, or with sudo).
set -eu
cd "$(dirname "$0")/.."
started=$(date +%s)

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "venv: installing python3-venv"
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    $as_root apt-get -qq update
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends install python3-venv >/dev/null
fi
echo "venv: installing the locked requirements into .venv"
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements/controller.txt
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e agents
echo "venv: ready after $(($(date +%s) - started)) s"
