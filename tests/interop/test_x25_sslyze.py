"""X25: every TLS port of a running site before sslyze, the scanner by which servers are judged in public."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..agents import LISTENING
from ..conftest import Sandbox
from ..raw import AGENT, SERVICES

DOMAIN = "alpha.example"
SSLYZE = Path(sys.executable).with_name("sslyze")
START = {"smtp": "smtp", "submission": "smtp", "imap": "imap", "pop3": "pop3"}
OLD = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
SUITES = {
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}  # fmt: skip
CURVES = {"X25519", "X448", "secp256r1", "secp384r1", "secp521r1"}
SAID = {
    "tls_compression": {"supports_compression": False},
    "tls_1_3_early_data": {"supports_early_data": False},
    "openssl_ccs_injection": {"is_vulnerable_to_ccs_injection": False},
    "tls_fallback_scsv": {"supports_fallback_scsv": True},
    "heartbleed": {"is_vulnerable_to_heartbleed": False},
    "robot": {"robot_result": "NOT_VULNERABLE_RSA_NOT_SUPPORTED"},
    "session_renegotiation": {
        "supports_secure_renegotiation": True,
        "is_vulnerable_to_client_renegotiation_dos": False,
    },
    "session_resumption": {"tls_ticket_resumption_result": "NOT_SUPPORTED"},
    "tls_extended_master_secret": {"supports_ems_extension": True},
}
MORE = ("--early_data", "--fallback", "--resum", "--ems", "--elliptic_curves")  # than the profile asks for
NOT_ASKED = {"http_headers"}


@pytest.fixture(scope="module")
def site(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A site without caps per client: a scanner is many clients at one address."""
    trusted = [part for agent in LISTENING
               for part in ("--set", f'{agent}.trusted_clients=["127.0.0.0/8"]')]  # fmt: skip
    return start_sandbox("--user", "ada@alpha.example:secret of ada", *trusted)


def scan(site: Sandbox, service: str, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What was found out, by the name of the question; and what Mozilla's "intermediate" profile would have otherwise."""
    host, port = site.port(DOMAIN, service)
    start = ["--starttls", START[service]] if service in START else []
    done = subprocess.run(
        [
            SSLYZE, "--sni", f"mail.{DOMAIN}", *start, "--certinfo_ca_file", site.ca,
            *MORE, "--mozilla_config", "intermediate", "--slow_connection", "--json_out", folder / "found.json", f"{host}:{port}",
        ],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    (found,) = json.loads((folder / "found.json").read_text())["server_scan_results"]
    assert found["scan_status"] == "COMPLETED", done.stdout
    results = {}
    for question, answer in found["scan_result"].items():
        if question not in NOT_ASKED:
            assert answer["status"] == "COMPLETED", f"{question}: {answer}"
            results[question] = answer["result"]
    return results, [line.strip(" *") for line in done.stdout.splitlines() if line.startswith("        * ")]


@pytest.mark.parametrize("service", SERVICES)
def test_a_scanner_finds_nothing(site: Sandbox, service: str, tmp_path: Path) -> None:
    agent = AGENT[service]
    pid, said = site.pid(DOMAIN, agent), len(site.log(DOMAIN, agent).splitlines())
    found, deviations = scan(site, service, tmp_path)
    for version in OLD:
        assert not found[f"{version}_cipher_suites"]["is_tls_version_supported"], version
    for version in ("tls_1_2", "tls_1_3"):
        accepted = found[f"{version}_cipher_suites"]["accepted_cipher_suites"]
        suites = {one["cipher_suite"]["name"] for one in accepted}
        assert suites, version
        assert suites <= SUITES
        assert all(one["ephemeral_key"] for one in accepted)
    assert {curve["name"] for curve in found["elliptic_curves"]["supported_curves"]} <= CURVES
    for question, expected in SAID.items():
        assert expected.items() <= found[question].items(), question
    (chain,) = found["certificate_info"]["certificate_deployments"]
    own = [
        path
        for path in chain["path_validation_results"]
        if path["trust_store"]["name"].startswith("Supplied")
    ]
    assert [path["was_validation_successful"] for path in own] == [True]
    # Python before 3.15 cannot leave out single curves: these two are as good as the others, only dearer
    assert [line for line in deviations if not line.startswith("tls_curves:")] == []
    assert site.pid(DOMAIN, agent) == pid
    lines = site.log(DOMAIN, agent).splitlines()[said:]
    assert "Traceback" not in "\n".join(lines)
    assert all(line.isprintable() for line in lines)
