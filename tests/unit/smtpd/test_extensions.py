"""Every extension is announced where it is offered, and only there its parameters are accepted."""

import pytest
from postroom.msa.app import LISTENERS
from postroom.msa.config import MsaConfig
from postroom.smtpd import extensions
from postroom.smtpd.extensions import EXTENSIONS, offer
from postroom.smtpd.reception import ListenerSettings
from postroom.smtpd.settings import session_limits

LIMITS = session_limits(MsaConfig(host_name="mail.alpha.example", max_message_bytes=70_000), 10)
ALWAYS = ("SIZE 70000", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES")
BY_SERVICE = {listener.service: listener for listener in (ListenerSettings("smtp"), *LISTENERS)}


@pytest.mark.parametrize(
    ("service", "secured", "more"),
    [
        ("smtp", False, ("STARTTLS",)),
        ("smtp", True, ()),
        ("submission", False, ("STARTTLS",)),
        ("submission", True, ("AUTH PLAIN LOGIN",)),
        ("submissions", True, ("AUTH PLAIN LOGIN",)),
        ("local", False, ()),
    ],
)
def test_words_of_each_listener(service: str, secured: bool, more: tuple[str, ...]) -> None:
    assert offer(BY_SERVICE[service], LIMITS, secured=secured).words == ALWAYS + more


@pytest.mark.parametrize("service", BY_SERVICE)
@pytest.mark.parametrize("secured", [False, True])
def test_parameters_are_those_of_the_extensions_that_are_offered(service: str, secured: bool) -> None:
    listener = BY_SERVICE[service]
    offered = [row for row in EXTENSIONS if row.offered(listener, secured)]
    found = offer(listener, LIMITS, secured=secured)
    assert set(found.mail) == {keyword for row in offered for keyword in row.mail}
    assert set(found.rcpt) == {keyword for row in offered for keyword in row.rcpt}
    assert ("AUTH" in found.mail) == (listener.login and secured)


def test_no_two_extensions_share_a_parameter() -> None:
    for grammars in ([row.mail for row in EXTENSIONS], [row.rcpt for row in EXTENSIONS]):
        keywords = [keyword for grammar in grammars for keyword in grammar]
        assert len(keywords) == len(set(keywords))


def test_helo_offers_nothing() -> None:
    assert not extensions.NO_EXTENSIONS.mail
    assert not extensions.NO_EXTENSIONS.rcpt
