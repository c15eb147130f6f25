#!/bin/bash
# Postroom beside Postfix and Dovecot from Debian's packages; the table on stdout, the figures in build/bench.json.
# The packages are unpacked below build/bench: nothing is installed and no service of this machine is touched.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    exec sudo -- "$0" "$@"
fi
exec .venv/bin/python tests/bench/compare.py "$@"
