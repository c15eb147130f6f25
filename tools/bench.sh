#!/bin/bash
# Postroom beside Postfix and Dovecot from Debian's packages; the table on stdout, the figures in build/bench.json.
# The packages are unpacked below build/bench: nothing is installed and no service of this machine is touched.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/root.sh
mkdir -p build
as_root env PYTHONDONTWRITEBYTECODE=1 .venv/bin/python tests/bench/compare.py "$@"
[ ! -e build/bench.json ] || as_root chown "$(id -u):$(id -g)" build/bench.json
