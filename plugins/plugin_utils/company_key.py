"""The key by which a company is found in the vault and in whatever else outlives a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def company_key(company: Mapping[str, Any]) -> str:
    """Return the company's lasting id, or its name where it has none."""
    return str(company.get("id") or company["name"])
