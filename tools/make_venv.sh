#!/bin/sh
# Create .venv anew from hash-locked requirements, with the agents installed for editing; with the argument "develop", add
# the tools that tests and checks need. Installs Debian's python3-venv if it is missing (as root, or with sudo).
set -eu
cd "$(dirname "$0")/.."
. tools/root.sh
started=$(date +%s)
work=.venv/.installing

prepare_python() {
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "venv: Python 3.11 or newer is needed, and $(command -v python3) is $(python3 --version)" >&2
        exit 1
    fi
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        echo "venv: installing python3-venv"
        install_packages python3-venv
    fi
}

# Unpack the pip that comes with Python: installing pip itself would take longer than all the rest.
unpack_pip() {
    python3 - "$work/pip" <<'END'
import ensurepip, pathlib, sys, sysconfig, zipfile
folders = [sysconfig.get_config_var("WHEEL_PKG_DIR"), pathlib.Path(ensurepip.__file__).parent / "_bundled"]
wheels = [wheel for folder in folders if folder for wheel in sorted(pathlib.Path(folder).glob("pip-*.whl"))]
if not wheels:
    sys.exit("venv: this Python has no pip wheel; install Debian's python3-venv")
zipfile.ZipFile(wheels[0]).extractall(sys.argv[1])
END
}

pip() {
    PYTHONPATH=$work/pip .venv/bin/python -m pip --disable-pip-version-check -qq "$@"
}

install_locked() { # lock
    .venv/bin/uv pip install -q --system-certs --python .venv/bin/python --no-deps --require-hashes -r "$1"
}

# uv does not read pip.conf, so take the package index from there, unless uv has its own.
take_over_index() {
    if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        index=$(.venv/bin/python -m pip config list 2>/dev/null | sed -n "s/^[^.]*\.index-url='\(.*\)'$/\1/p" | tail -n 1)
        [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
    fi
}

install_controller() {
    pip install --no-deps --no-compile --require-hashes -r requirements/installer.txt
    PYTHONPATH=$work/pip take_over_index
    install_locked requirements/controller.txt
    .venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation --no-index -e agents
}

# The wheel is a large download (52 MB), of which we unpack 4 MB. pip keeps a copy in its cache.
install_collections() {
    pip download --no-deps --require-hashes -d "$work/wheels" -r requirements/collections.txt
    .venv/bin/python tools/unpack_collections.py "$work"/wheels/ansible-*.whl .venv/lib/python3.*/site-packages
}

install_tools() {
    echo "venv: adding the locked tools for tests and checks"
    take_over_index
    install_locked requirements/develop.txt
}

if [ "${1:-}" = develop ]; then
    install_tools
else
    prepare_python
    echo "venv: installing the locked requirements into .venv"
    develop=$(ls .venv/.develop 2>/dev/null || true)
    rm -rf .venv # remove packages that the locks no longer name
    python3 -m venv --without-pip .venv
    unpack_pip
    install_collections & # in parallel: it spends most of its time on the download
    install_controller
    wait $!
    rm -r "$work"
    [ -z "$develop" ] || install_tools # keep them for a developer
fi
echo "venv: ready after $(($(date +%s) - started)) s"
