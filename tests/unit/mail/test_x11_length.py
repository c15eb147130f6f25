"""X11: what is far too long is refused before anything is normalised or converted."""

from collections.abc import Callable

import pytest
from postroom.mail.address import AddressError, parse_address, parse_domain

from ...cost import processor_seconds

LONG = 1 << 20
SECONDS = 0.05  # on a busy machine; the work is a comparison of lengths


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_domain, "ü" * LONG),
        (parse_domain, "a" * LONG + ".example"),
        (parse_domain, "ü." * (LONG // 2)),
        (parse_domain, "xn--" + "9" * LONG),
        (parse_address, "a@" + "ü" * LONG),
        (parse_address, "ﷺ" * LONG + "@alpha.example"),
        (parse_address, '"' + "\\a" * (LONG // 2) + '"@alpha.example'),
        (parse_address, "a@[" + "1." * (LONG // 2) + "]"),
    ],
    ids=lambda value: value[:8] if isinstance(value, str) else value.__name__,
)
def test_a_megabyte_is_refused_at_once(parse: Callable[[str], object], text: str) -> None:
    def refused() -> None:
        with pytest.raises(AddressError):
            parse(text)

    assert processor_seconds(refused, SECONDS) < SECONDS
