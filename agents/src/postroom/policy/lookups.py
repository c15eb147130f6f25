"""DNS lookups as values, so that a policy can ask without knowing a resolver.

A policy that needs DNS is a generator. It yields a tuple of queries that may run together and is sent
the tuple of answers in the same order; its return value is the result:

    answers = yield (Query("example.org", RecordType.TXT),)

The resolver runs it with a time limit for the whole message; nothing here waits or keeps time.
"""

from collections.abc import Callable, Generator
from enum import Enum, StrEnum
from typing import NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")


class RecordType(StrEnum):
    """The record types that mail policies ask for (RFC 1035, 3596, 6698)."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    MX = "MX"
    PTR = "PTR"
    TLSA = "TLSA"
    TXT = "TXT"


class Query(NamedTuple):
    """One question. `name` has no trailing dot and is in A-label form."""

    name: str
    type: RecordType


class Mx(NamedTuple):
    """One MX record (RFC 5321 section 5.1); a null MX has the host `""` (RFC 7505)."""

    preference: int
    host: str


class LookupStatus(Enum):
    """The outcome of a lookup."""

    FOUND = "found"
    NODATA = "no data"
    NXDOMAIN = "no such domain"
    TEMPORARY = "temporary failure"


Record: TypeAlias = bytes | str | Mx


class Answer(NamedTuple):
    """What the resolver found.

    `records`: for TXT bytes, the character strings of one record joined without a separator (RFC 7208
    section 3.3, RFC 6376 section 3.6.2.2); for A and AAAA addresses in text form; for PTR and CNAME names
    without a trailing dot; for MX `Mx` values. `authenticated` is the validating resolver's AD flag.
    """

    status: LookupStatus
    records: tuple[Record, ...] = ()
    authenticated: bool = False

    @property
    def texts(self) -> tuple[bytes, ...]:
        """Return the TXT records."""
        return tuple(record for record in self.records if isinstance(record, bytes))

    @property
    def names(self) -> tuple[str, ...]:
        """Return addresses or host names."""
        return tuple(record for record in self.records if isinstance(record, str))

    @property
    def exchanges(self) -> tuple[Mx, ...]:
        """Return the MX records, lowest preference first."""
        return tuple(sorted(record for record in self.records if isinstance(record, Mx)))

    @property
    def void(self) -> bool:
        """Return whether the answer counts as a void lookup (RFC 7208 section 4.6.4)."""
        return self.status in (LookupStatus.NODATA, LookupStatus.NXDOMAIN)


Lookups: TypeAlias = Generator[tuple[Query, ...], tuple[Answer, ...], T]


def ask(name: str, record_type: RecordType) -> Lookups[Answer]:
    """Ask one question from within a policy: `answer = yield from ask(name, type)`."""
    (answer,) = yield (Query(name, record_type),)
    return answer


def answer_with(policy: Lookups[T], resolve: Callable[[Query], Answer]) -> T:
    """Run a policy to its result with a resolver that answers at once."""
    try:
        queries = next(policy)
        while True:
            queries = policy.send(tuple(resolve(query) for query in queries))
    except StopIteration as end:
        result: T = end.value
        return result
