#!/bin/sh
# Make .venv from the hash-locked requirements, with the agents installed for editing. Installs Debian's python3-venv
# where it is missing (as root, or with sudo).
set -eu
cd "$(dirname "$0")/.."
. tools/root.sh
started=$(date +%s)

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "venv: Python 3.11 or newer is needed, and $(command -v python3) is $(python3 --version)" >&2
    exit 1
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "venv: installing python3-venv"
    install_packages python3-venv
fi
echo "venv: installing the locked requirements into .venv"
# one that was left half made, or whose Python has gone with an upgrade of Debian, is made anew
.venv/bin/python -m pip --version >/dev/null 2>&1 || python3 -m venv --clear .venv
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements/controller.txt
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e agents
echo "venv: ready after $(($(date +%s) - started)) s"
