"""A name server in a dictionary, for every policy that asks."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from postroom.policy.lookups import Answer, LookupStatus, Mx, Query

Rows = Mapping[tuple[str, str], Sequence[bytes | str | Mx] | LookupStatus]


class Zone:
    """Answers from rows `(name, type) -> records`; remembers what was asked."""

    def __init__(self, rows: Rows) -> None:
        self.rows = {(name.lower(), kind): records for (name, kind), records in rows.items()}
        self.names = {name for name, _ in self.rows}
        self.asked: list[tuple[str, str]] = []

    def __call__(self, query: Query) -> Answer:
        self.asked.append((query.name, query.type.value))
        records = self.rows.get((query.name.lower(), query.type.value), ())
        if isinstance(records, LookupStatus):
            return Answer(records)
        if records:
            return Answer(LookupStatus.FOUND, tuple(records))
        return Answer(LookupStatus.NODATA if query.name.lower() in self.names else LookupStatus.NXDOMAIN)


@pytest.fixture
def zone() -> Callable[[Rows], Zone]:
    return Zone
