"""`--check --diff` tells what the run does after it, restarts and reloads included."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOST = "mail.alpha.example"
CHANGES = {
    "imap_memory_max": "1900M",  # in the unit
    "mta_max_errors": 11,  # in the settings
    "pop3_listen_pop3": [],  # a socket less
}
ACTIONS = [
    "daemon-reload",
    "restart postroom-imap.service",
    "stop postroom-pop3.service",
    "disable --now postroom-pop3-pop3.socket",
    "daemon-reload",
    "start postroom-pop3.service",
    "reload postroom-mta.service",
]


def play(*options: str, tags: str = "imap,pop3,mta", **variables: Any) -> str:
    """What a run for parts of one host says."""
    program = Path(sys.executable).with_name("ansible-playbook")
    words = [program, "site.yml", "--diff", "--limit", HOST, "--tags", tags, *options]
    done = subprocess.run(
        [*words, "--extra-vars", json.dumps(variables)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"},  # Molecule asks for colours
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def changed(said: str) -> int:
    found = re.search(rf"^{re.escape(HOST)}\s.*changed=(\d+)", said, re.MULTILINE)
    assert found
    return int(found[1])


def actions(said: str) -> list[str]:
    return re.findall(r"^systemctl (.*)$", said, re.MULTILINE)


def test_what_check_mode_says_is_what_the_run_does(reach: Any) -> None:
    running = (
        "systemctl show --property MainPID postroom-imap.service postroom-pop3.service postroom-mta.service"
    )
    host = reach(HOST)
    before = host.check_output(running)
    announced = play("--check", **CHANGES)
    assert actions(announced) == ACTIONS
    assert host.check_output(running) == before
    try:
        done = play(**CHANGES)
        assert actions(done) == ACTIONS
        assert changed(done) == changed(announced)
        assert changed(play("--check", **CHANGES)) == 0
    finally:
        play()
    assert changed(play("--check")) == 0
    assert host.socket("tcp://0.0.0.0:110").is_listening


def test_a_new_certificate_is_announced_and_shown_at_once(reach: Any) -> None:
    host = reach(HOST)
    chain = f"/etc/postroom/tls/{HOST}/fullchain.pem"
    shown = f"openssl s_client -connect 127.0.0.1:993 -servername {HOST} </dev/null 2>/dev/null | openssl x509 -serial -noout"
    before = host.check_output(shown)
    host.check_output("rm %s", chain)
    announced = play("--check", tags="tls")
    assert "Reload the services that use TLS" in announced
    assert changed(announced) == changed(play(tags="tls"))
    wanted = host.check_output("openssl x509 -serial -noout -in %s", chain)
    assert wanted != before
    until = f"timeout 30 sh -c 'until [ \"$({shown})\" = {wanted} ]; do sleep 0.2; done'"
    assert host.run(until).rc == 0
