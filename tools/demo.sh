#!/bin/bash
# The demo: two companies and a name server on this machine, mail in both directions, and a table of what was proved.
# The hosts keep running; `make clean` removes them.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/root.sh
demand_root demo
mkdir -p build
trap 'printf "\nInterrupted. make demo goes on from here, make clean removes what was made.\n"; exit 130' INT

stage() { # stage "what it does" log command...
    local what=$1 log=build/demo-$2.log from=$SECONDS
    shift 2
    printf '%-72s' "$what ..."
    if "$@" >"$log" 2>&1; then
        printf ' %4d s\n' $((SECONDS - from))
    else
        printf ' failed after %d s; the end of %s:\n\n' $((SECONDS - from)) "$log"
        # from the first error on; the lines before it only report successes
        sed -n '/^\[ERROR\]\|^fatal: \|^failed: /,$p' "$log" | tail -n 40 | grep . || tail -n 40 "$log"
        exit 1
    fi
}

stage "1/5 Build or reuse the host images, start three Debian hosts" hosts \
    ansible-playbook molecule/resources/create.yml
stage "2/5 ansible-playbook site.yml: from bare Debian to mail servers" site \
    ansible-playbook site.yml
stage "3/5 The same once more: nothing may change" again \
    ansible-playbook site.yml
agents=$(sed -n 's/^  - name: /postroom-/p' playbooks/vars/agents.yml | xargs)
stage "4/5 Wait until every agent is active" active \
    ansible mail_hosts -m ansible.builtin.command \
    -a "timeout 60 sh -c 'until systemctl is-active $agents; do sleep 1; done'"
echo "5/5 Send mail in both directions and look at what arrives ..."
from=$SECONDS
.venv/bin/python tools/prove.py build/demo-again.log
echo
echo "Proved in $((SECONDS - from)) s, all done in $SECONDS s. The hosts stay up; 'make clean' removes them."
