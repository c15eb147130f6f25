"""Judge by what companies are told apart: a lasting key, a title, and hosts that agree about both and all else.

Room rule: pure. Companies come in as companies.py reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

COMPANY_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")

Company = Mapping[str, Any]


def all_problems(companies: list[Company]) -> list[str]:
    """Return a sentence for each id and name that is missing or taken, and for hosts of one company that differ."""
    return [*(line for company in companies for line in identity_problems(company)), *repeated_names(companies)]


def identity_problems(company: Company) -> Iterator[str]:
    """The lasting key, the title, and whether all hosts of the company agree."""
    key, name, host = company["id"], company["name"], company["hosts"][0]
    if not key:
        yield (
            f"company_id of {name or host} is missing: give the company a lasting key, such as {suggested(name)}; "
            "the vault sorts its first passwords by it"
        )
    elif not COMPANY_ID.match(key) and not company.get("odd_id"):
        yield f"company_id of {name} is {key!r}: use lower-case letters, digits, - and _, a letter first"
    if not name or company.get("untitled"):
        yield f"company_name of {name or host} is missing: write what the company is called"
    differing = company.get("differing", {})
    for one, other in dict.fromkeys(map(tuple, differing.values())):
        variables = [f"company_{variable}" for variable, pair in differing.items() if tuple(pair) == (one, other)]
        yield (
            f"{', '.join(variables)} of {key or name} {'differ' if len(variables) > 1 else 'differs'} "
            f"between {one} and "
            f"{other}: a company's variables belong into its group; if these are two companies, give "
            "each its own company_id"
        )


def renamed_problems(companies: list[Company], vault: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each company whose `company_id` was changed, so that its people would get new passwords.

    A new id that has most people of an id that left the inventory is taken for the same company. `vault`: format 2.
    """
    known = {key: entry.get("first_passwords", {}) for key, entry in (vault.get("companies") or {}).items()}
    listed = [company for company in companies if isinstance(company["people"], Mapping)]
    present = {company["id"]: set(company["people"]) for company in listed}
    names = {company["name"] for company in companies}  # by which the vault was sorted before companies had an id
    return [
        f"company_id {new!r} is new, and {old!r} with the same people is gone: the id is lasting, so write {old!r} "
        f"again (company_name may change). If {new!r} is another company, remove {old!r} from the vault first"
        for new, people in present.items()
        if new and new not in known
        for old, others in known.items()
        if old not in present and old not in names and others and 2 * len(people & set(others)) > len(others)
    ]


def suggested(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789") or "mycompany"


def repeated_names(companies: list[Company]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for company in companies:
        name = company["name"]
        if name in seen and company["id"]:
            yield (
                f"company_name is {name!r} for {seen[name]} and for {company['id']}: give each company a "
                "name of its own"
            )
        seen.setdefault(name, company["id"])


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_identity_problems": all_problems, "postroom_renamed_problems": renamed_problems}
