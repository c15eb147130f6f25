"""The kit's filters, loaded from their files as Ansible does."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "plugins"))  # plugin_utils


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"kit_{Path(path).stem}", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def company() -> dict[str, Any]:
    """A company in order, to be spoilt by a test."""
    return {
        "id": "alpha",
        "name": "Alpha",
        "administrator": "ada",
        "domains": {"alpha.example": {"home": "mail.alpha.example"}},
        "people": {
            "ada": {
                "name": "Ada Lovelace",
                "address": "ada@alpha.example",
                "aliases": ["info@alpha.example"],
                "quota": "2 GB",
            },
            "mary": {"name": "Mary Somerville", "address": "mary@alpha.example"},
        },
        "aliases": {"team@alpha.example": ["ada@alpha.example", "grace@beta.example"]},
        "client_services": None,
        "dkim_rsa_bits": None,
        "hosts": ["mail.alpha.example"],
    }


@pytest.fixture
def hosts() -> dict[str, dict[str, Any]]:
    return {
        "mail.alpha.example": {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "company": "alpha", "mail": True},
        "ns.example": {"ipv4": "192.0.2.53", "ipv6": "", "company": "", "mail": False},
    }
