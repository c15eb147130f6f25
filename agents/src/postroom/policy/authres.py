"""Authentication-Results and the verdict header. RFC 8601.

Room rule: foreign text is quoted or replaced before it enters a field, so that a value cannot forge a field. Fields
that others wrote in our name are removed everywhere (section 5).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from postroom.mail.headers import Field, HeaderBlock, unfold
from postroom.mail.headertext import UnsafeText, cleaned, field, safe
from postroom.policy.dkim import DkimVerdict
from postroom.policy.dmarc import DmarcResult, DmarcVerdict
from postroom.policy.spf import Identity, SpfVerdict

VERDICT_FIELD: Final = "X-Postroom-Verdict"

_OURS: Final = b"x-postroom-"
_RESULTS: Final = b"authentication-results"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]+\Z")
_PLAIN_VALUE: Final = re.compile(r"[!#$%&'*+./:@^_`{|}~0-9A-Za-z-]+\Z")  # pvalue: token or an address
_LEADING: Final = re.compile(rb"[ \t\r\n]*+(?:\"((?:[^\"\\]|\\.)*+)\"|([^ \t\r\n;\"(]++))", re.DOTALL)
_OPENING: Final = re.compile(rb"[ \t\r\n]*+(\()")
_TO_PARENTHESIS: Final = re.compile(rb"(?:[^()\\]|\\.)*+([()])", re.DOTALL)
_COMMENT: Final = re.compile(rb"\([^()]*+\)")
_LONGEST_VALUE: Final = 320
_MAX_PARENTHESES: Final = 200


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One `method=result`, with a reason and properties such as `("smtp.mailfrom", "a@b.example")`."""

    method: str
    result: str
    reason: str = ""
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The intake's opinion of a message, for the agent that files it."""

    junk: bool
    reasons: tuple[str, ...] = ()


def spf_result(verdict: SpfVerdict) -> MethodResult:
    """Format an SPF verdict. RFC 8601 section 2.7.2."""
    if verdict.identity is Identity.HELO:
        properties: tuple[tuple[str, str], ...] = (("smtp.helo", verdict.domain),)
    else:
        properties = (("smtp.mailfrom", verdict.sender),)
    return MethodResult("spf", verdict.result, verdict.problem, properties)


def dkim_results(verdicts: Sequence[DkimVerdict]) -> tuple[MethodResult, ...]:
    """Format DKIM verdicts. RFC 8601 section 2.7.1 and RFC 6008; `none` for an unsigned message."""
    return tuple(_dkim_result(verdict) for verdict in verdicts) or (MethodResult("dkim", "none"),)


def _dkim_result(verdict: DkimVerdict) -> MethodResult:
    named = (
        ("header.d", verdict.domain),
        ("header.s", verdict.selector),
        ("header.a", verdict.algorithm),
        ("header.b", verdict.signature),
    )
    properties = tuple((name, value) for name, value in named if value)
    return MethodResult("dkim", verdict.result, verdict.reason, properties)


def dmarc_result(verdict: DmarcVerdict) -> MethodResult:
    """Format a DMARC verdict. RFC 9989 section 5.3.7 with RFC 8601's syntax; the evaluated policy is a property."""
    properties: list[tuple[str, str]] = []
    if verdict.author_domain:
        properties.append(("header.from", verdict.author_domain))
    if verdict.policy_domain:
        applied = verdict.disposition if verdict.result is DmarcResult.FAIL else verdict.policy
        properties.append(("policy.dmarc", applied))
    return MethodResult("dmarc", verdict.result, verdict.reason, tuple(properties))


def authentication_results(authserv_id: str, results: Iterable[MethodResult]) -> bytes:
    """Return the complete field, folded, with its line end (RFC 8601 section 2.2).

    Raises UnsafeText when `authserv_id`, a method or a result is not a token; values are made safe instead.
    """
    parts = [_token(authserv_id), *(_resinfo(result) for result in results)]
    if len(parts) == 1:
        parts.append("none")
    return field("Authentication-Results", "; ".join(parts))


def _resinfo(result: MethodResult) -> str:
    words = [f"{_token(result.method)}={_token(result.result)}"]
    if result.reason:
        words.append(f"reason={_quoted(result.reason)}")
    for name, value in result.properties:
        ptype, _, key = name.partition(".")
        words.append(f"{_token(ptype)}.{_token(key)}={_value(value)}")
    return " ".join(words)


def _token(text: str) -> str:
    if not _TOKEN.match(text):
        raise UnsafeText("not a token of Authentication-Results")
    return text


def _value(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE and _PLAIN_VALUE.match(text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = cleaned(text, limit=_LONGEST_VALUE).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def removal(authserv_id: str) -> Callable[[Field], bool]:
    """Return a predicate for the fields to remove from a foreign message, for `HeaderBlock.rewritten(drop=...)`.

    It matches every X-Postroom-* field, and every Authentication-Results that names us, in any case, quoted or after
    comments. One whose name cannot be read, or only contains ours, is removed too (RFC 8601 section 5).
    """
    ours = authserv_id.lower().encode("ascii")

    def doomed(one: Field) -> bool:
        if one.key == _RESULTS:
            body = unfold(one.body)
            head = b"".join(_COMMENT.sub(b"", body.partition(b";")[0]).split())
            return ours in head.lower() or _authserv_id(body) in (ours, b"")
        return one.key.startswith(_OURS)

    return doomed


def _authserv_id(body: bytes) -> bytes:
    """Return the name before the results in lower case, or "" if it cannot be read."""
    position = _behind_comments(body)
    match = _LEADING.match(body, position) if position >= 0 else None
    if match is None:
        return b""
    name = match[2] if match[1] is None else re.sub(rb"\\(.)", rb"\1", match[1])
    return name.strip(b" \t").lower()


def _behind_comments(body: bytes) -> int:
    """Return where the leading comments end, or -1 if they are unbalanced or too many."""
    position = depth = 0
    for _ in range(_MAX_PARENTHESES):
        match = (_TO_PARENTHESIS if depth else _OPENING).match(body, position)
        if match is None:
            break
        position = match.end()
        depth += 1 if match[1] == b"(" else -1
    return -1 if depth else position


def verdict_field(verdict: Verdict) -> bytes:
    """Return `X-Postroom-Verdict: junk; reason; reason`, or `ham`."""
    words = ["junk" if verdict.junk else "ham"]
    words += [cleaned(reason).replace(";", ",").strip() for reason in verdict.reasons]
    return field(VERDICT_FIELD, "; ".join(filter(None, words)))


def read_verdict(block: HeaderBlock) -> Verdict | None:
    """Return the verdict that our intake wrote, or None. Only the topmost counts."""
    found = block.first(VERDICT_FIELD.lower().encode("ascii"))
    if found is None:
        return None
    word, *reasons = (part.strip() for part in found.value.decode("ascii", "replace").split(";"))
    if word.lower() not in ("junk", "ham"):
        return None
    return Verdict(word.lower() == "junk", tuple(reason for reason in reasons if reason and safe(reason)))
