"""From a client's AUTH command, or its name and password, to a PLAIN message. RFC 4422 section 3, RFC 4616."""

from collections.abc import Awaitable, Callable

from postroom.wire import sasl


async def exchange(
    mechanism: str, initial: bytes | None, ask: Callable[[bytes], Awaitable[bytes]]
) -> sasl.Finished:
    """Run a SASL exchange to its end.

    `initial` is the initial response as it came on the line, None when the client sent none. `ask` sends a challenge
    (base64, without CR LF) and returns the client's next line, without its line end. Raises UnknownMechanism,
    SaslError, and whatever `ask` raises.
    """
    step = sasl.begin_encoded(mechanism, initial)
    while isinstance(step, sasl.Asking):
        line = await ask(sasl.encode_line(step.challenge))
        step = step.answered(sasl.decode_line(line))
    return step


def password_message(name: bytes, password: bytes) -> bytes:
    """Return the PLAIN message for a name and a password that came in commands of their own. Raises SaslError."""
    message = b"\0".join((b"", name, password))
    sasl.parse_plain(message)
    return message
