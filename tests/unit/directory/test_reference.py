"""The documented page and the structs say the same."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from postroom.directory import schema
from postroom.directory.reading import read_document

PAGE = (Path(__file__).parents[3] / "docs/reference/directory.md").read_text()
TABLES = {
    "## Document": schema.Document,
    "## Domain": schema.DomainRecord,
    "## Account": schema.AccountRecord,
    "`limits`:": schema.SubmissionLimits,
    "`rights` of an account:": schema.AccountRights,
    "## Alias": schema.AliasRecord,
    "## List": schema.ListRecord,
    "## Team": schema.TeamRecord,
    "`rights` of a team:": schema.TeamRights,
}
DEFAULTS = {
    "none": (None, ""),
    "[]": ((),),
    "{}": (schema.SubmissionLimits(), schema.AccountRights(), schema.TeamRights()),
}


def rows(head: str) -> dict[str, str]:
    """Field to default, of the first table behind the head."""
    after = PAGE.partition(f"\n{head}\n")[2]
    table = after.partition("| field |")[2].partition("\n\n")[0]
    cells = [re.split(r"(?<!\\)\|", line) for line in table.splitlines()[2:]]
    return {row[1].strip().strip("`"): row[3].strip() for row in cells}


@pytest.mark.parametrize(("head", "kind"), TABLES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_every_field_is_described_with_its_default(head: str, kind: type[msgspec.Struct]) -> None:
    told = rows(head)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    assert set(told) == set(fields)
    for name, field in fields.items():
        assert (told[name] == "required") == field.required, name
        if not field.required:
            assert field.default in meant(told[name]), name


def meant(text: str) -> tuple[Any, ...]:
    text = text.strip("`")
    if text in DEFAULTS:
        return DEFAULTS[text]
    return (text.strip('"'), *([json.loads(text)] if text in {"0", "true", "false"} else []))


def test_the_example_is_a_good_document() -> None:
    example = PAGE.partition("```json\n")[2].partition("```")[0]
    document = read_document(example.encode())
    assert [account.id for account in document.accounts] == ["ada", "bob"]


def test_the_page_names_every_state_and_separator() -> None:
    from postroom.directory.validation import SEPARATORS

    assert all(f"`{state.value}`" in PAGE for state in schema.AccountState)
    assert f"`{SEPARATORS}`" in PAGE
