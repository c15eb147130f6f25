"""SEARCH and UID SEARCH with their answers. RFC 3501 section 6.4.4, RFC 4731, RFC 7162; keys are in `searchkeys`."""

from collections.abc import Sequence
from typing import Final

from postroom.contracts.search import Key
from postroom.mail.charsets import codec_of
from postroom.wire.imap import responses
from postroom.wire.imap.commands import SELECTED, BadCharset, Command, Family, Reader, Verb
from postroom.wire.imap.scanner import Scanner
from postroom.wire.imap.searchkeys import parse_keys
from postroom.wire.imap.sequence import compact

_RESULTS: Final = frozenset({b"MIN", b"MAX", b"ALL", b"COUNT"})


class Search(Command, frozen=True):
    """SEARCH; `results` are the options of RFC 4731, None for the untagged SEARCH of RFC 3501."""

    key: Key
    uid: bool
    results: frozenset[bytes] | None = None


def search_line(numbers: Sequence[int], highest_modseq: int | None) -> bytes:
    """Return SEARCH with message numbers or UIDs, and the highest mod-sequence when it was asked for."""
    words = [b"SEARCH"]
    if numbers:
        words.append(" ".join(map(str, numbers)).encode())
    if highest_modseq is not None:
        words.append(b"(MODSEQ %d)" % highest_modseq)
    return responses.untagged(*words)


def esearch_line(
    tag: bytes, results: frozenset[bytes], uid: bool, numbers: Sequence[int], highest_modseq: int | None
) -> bytes:
    """Return ESEARCH with the results that were asked for. RFC 4731 section 3.1."""
    words = [b"ESEARCH", b"(TAG %b)" % responses.string(tag)]
    if uid:
        words.append(b"UID")
    if numbers:
        if b"MIN" in results:
            words.append(b"MIN %d" % numbers[0])
        if b"MAX" in results:
            words.append(b"MAX %d" % numbers[-1])
        if b"ALL" in results:
            words.append(b"ALL " + compact(numbers))
    if b"COUNT" in results:
        words.append(b"COUNT %d" % len(numbers))
    if highest_modseq is not None:
        words.append(b"MODSEQ %d" % highest_modseq)
    return responses.untagged(*words)


def _search(*, uid: bool) -> Reader:
    def read(scanner: Scanner) -> Command:
        scanner.space()
        results = _results(scanner)
        codec = "utf-8"
        if scanner.accept_word(b"CHARSET"):
            scanner.space()
            codec = _codec(scanner.astring())
            scanner.space()
        return Search(parse_keys(scanner, codec), uid, results)

    return read


def _results(scanner: Scanner) -> frozenset[bytes] | None:
    """Read RETURN (...) of RFC 4731 with the space after it; an empty list means ALL. Return None without RETURN."""
    if not scanner.accept_word(b"RETURN"):
        return None
    scanner.space()
    scanner.open()
    results: list[bytes] = []
    while not scanner.accept_close():
        if results:
            scanner.space()
        results.append(scanner.word())
        if results[-1] not in _RESULTS:
            scanner.fail("unknown search result option")
    scanner.space()
    return frozenset(results) or frozenset({b"ALL"})


def _codec(charset: bytes) -> str:
    codec = codec_of(charset.decode("latin-1"))
    if codec is None:
        raise BadCharset
    return codec


FAMILY: Final = Family(
    {b"SEARCH": Verb(SELECTED, _search(uid=False))},
    by_uid={b"SEARCH": _search(uid=True)},
    capabilities=(b"ESEARCH",),
)
