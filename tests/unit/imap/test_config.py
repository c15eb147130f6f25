"""A setting that cannot work is refused, and the message names it."""

import pytest
from postroom.imap.config import ImapConfig
from postroom.runtime.config import convert


def test_defaults_are_usable() -> None:
    config = ImapConfig(host_name="mail.a.example")
    assert config.idle_timeout >= 1800  # RFC 3501 section 5.4


def test_lines_before_login_may_be_as_long_as_those_after_it() -> None:
    given = {"host_name": "mail.a.example", "max_line_before_login": 65_536}
    assert convert(given, ImapConfig).max_line_before_login == 65_536


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_line": 100},
        {"max_line_before_login": 65_537},
        {"max_errors": 0},
        {"idle_timeout": 0.0},
        {"max_message_bytes": 10},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        convert({"host_name": "mail.a.example", **wrong}, ImapConfig)
