"""Read a Document from JSON, and report every fault of form, not only the first one."""

from contextlib import suppress
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from postroom.directory.problems import DirectoryRefused, Problem, problem
from postroom.directory.schema import Document
from postroom.directory.validation import faults

MAX_OCTETS = 256 * 1024 * 1024

S = TypeVar("S", bound=msgspec.Struct)


def read_document(octets: bytes) -> Document:
    """Return the document in normal form: addresses and domains in lower case.

    Raises DirectoryRefused with all its faults, of form and of meaning.
    """
    problems: list[Problem] = []
    document = _document(octets, problems)
    if document is not None:
        document, found = faults(document)
        problems += found
    if problems or document is None:
        raise DirectoryRefused(tuple(problems))
    return document


def _document(octets: bytes, problems: list[Problem]) -> Document | None:
    if len(octets) > MAX_OCTETS:
        problems.append(problem("document", f"{len(octets)} octets", f"give at most {MAX_OCTETS} octets"))
        return None
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The fast path; the slow one below finds the faults.
        return msgspec.json.decode(octets, type=Document)
    try:
        raw = msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problems.append(problem("document", str(error), "give one JSON object"))
        return None
    return read_struct(Document, raw, "", problems)


def read_struct(kind: type[S], raw: object, path: str, problems: list[Problem]) -> S | None:
    """Return the struct, or None with its faults added to `problems`; each field is checked separately."""
    if not isinstance(raw, dict):
        problems.append(problem(path or "document", raw, "give an object"))
        return None
    before = len(problems)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name in raw:
        if name not in fields:
            problems.append(
                problem(_join(path, str(name)), raw[name], f"unknown field; known are {', '.join(fields)}")
            )
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in raw:
            values[field.name] = _read_value(field.type, raw[name], _join(path, name), problems)
        elif field.required:
            problems.append(problem(_join(path, name), None, "missing; give it"))
    return kind(**values) if len(problems) == before else None


def _read_value(kind: Any, raw: object, path: str, problems: list[Problem]) -> Any:
    item = _struct_items(kind)
    if item is not None and isinstance(raw, list):
        return tuple(
            read_struct(item, value, f"{path}[{index}]", problems) for index, value in enumerate(raw)
        )
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return read_struct(kind, raw, path, problems)
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        problems.append(problem(f"{path}{place.rstrip('`')}", raw, text.replace("`", "").lower()))
        return None


def _struct_items(kind: Any) -> type[msgspec.Struct] | None:
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        if isinstance(item, type) and issubclass(item, msgspec.Struct):
            return item
    return None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
