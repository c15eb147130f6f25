"""The SASL exchange and the PLAIN message of a name and a password."""

from base64 import b64encode

import pytest
from postroom.entrance.exchange import exchange, password_message
from postroom.wire import sasl

PLAIN = b"\0ada\0secret"


class Client:
    """Answers each challenge with the next of its lines."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = list(lines)
        self.challenges: list[bytes] = []

    async def ask(self, challenge: bytes) -> bytes:
        self.challenges.append(challenge)
        return self.lines.pop(0)


async def test_plain_with_an_initial_response_asks_nothing() -> None:
    client = Client()
    assert (await exchange("plain", b64encode(PLAIN), client.ask)).response == PLAIN
    assert client.challenges == []


async def test_plain_asks_once() -> None:
    client = Client(b64encode(PLAIN))
    assert (await exchange("PLAIN", None, client.ask)).response == PLAIN
    assert client.challenges == [b""]


async def test_login_asks_for_name_and_password() -> None:
    client = Client(b64encode(b"ada"), b64encode(b"secret"))
    assert (await exchange("LOGIN", None, client.ask)).response == PLAIN
    assert client.challenges == [b64encode(b"Username:"), b64encode(b"Password:")]


@pytest.mark.parametrize(
    ("mechanism", "line", "error"),
    [
        ("SCRAM-SHA-1", b"", sasl.UnknownMechanism),
        ("PLAIN", b"*", sasl.Cancelled),
        ("PLAIN", b"not base64", sasl.SaslError),
        ("PLAIN", b64encode(b"no parts"), sasl.SaslError),
    ],
)
async def test_exchanges_that_fail(mechanism: str, line: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await exchange(mechanism, None, Client(line).ask)


def test_a_name_and_a_password_make_a_plain_message() -> None:
    assert password_message(b"ada", b"secret") == PLAIN


@pytest.mark.parametrize(
    ("name", "password"), [(b"", b"x"), (b"ada", b""), (b"a\0b", b"x"), (b"ada", b"\xff")]
)
def test_names_and_passwords_that_cannot_be_sent(name: bytes, password: bytes) -> None:
    with pytest.raises(sasl.SaslError):
        password_message(name, password)
