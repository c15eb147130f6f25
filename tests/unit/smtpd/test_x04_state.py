"""X4: whatever the order of commands, nothing of an ended transaction is left. Checked against a model."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ...amounts import amount
from ...smtp_site import Dialog, running

GOOD = b"From: x@outside.example\r\n\r\nHello\r\n.\r\n"
COMMANDS = (
    "EHLO c.example", "HELO c.example", "MAIL FROM:<a@b.example>", "MAIL FROM:<>", "MAIL FROM:bad",
    "MAIL FROM:<a@b.example> SIZE=999999999", "RCPT TO:<ada@alpha.example>", "RCPT TO:<bob@alpha.example>",
    "RCPT TO:<nobody@alpha.example>", "RCPT TO:<x@elsewhere.example>", "RCPT TO:<", "DATA", "DATA bad",
    "DATA nul", "DATA loop", "RSET", "NOOP", "VRFY ada", "VRFY \xff", "FOO",
)  # fmt: skip
BODIES = {
    "DATA": (GOOD, "250"),
    "DATA nul": (GOOD.replace(b"Hello", b"He\0llo"), "554"),
    "DATA loop": (b"Received: x\r\n" * 60 + GOOD, "554"),
}


class Model:
    """What a server has to remember."""

    def __init__(self) -> None:
        self.greeted = self.extended = self.mail = False
        self.recipients: set[str] = set()
        self.refused = 0

    def forget(self) -> None:
        self.mail, self.recipients, self.refused = False, set(), 0

    def expects(self, command: str) -> str:
        verb = command.split(maxsplit=1)[0]
        if "\xff" in command:
            return "500"
        if verb in ("EHLO", "HELO"):
            self.greeted, self.extended = True, verb == "EHLO"
            self.forget()
            return "250"
        if verb == "MAIL":
            return self._mail(command)
        if verb == "RCPT":
            return self._rcpt(command)
        if verb == "DATA":
            return self._data(command)
        if verb == "RSET":
            self.forget()
        return {"RSET": "250", "NOOP": "250", "VRFY": "252"}.get(verb, "500")

    def _mail(self, command: str) -> str:
        if not self.greeted:
            return "503"
        if command.endswith("bad"):
            return "501"
        if "SIZE" in command and not self.extended:
            return "555"
        if self.mail:
            return "503"
        if "SIZE" in command:
            return "552"
        self.mail = True
        return "250"

    def _rcpt(self, command: str) -> str:
        if not self.mail:
            return "503"
        if command.endswith("<"):
            return "501"
        if "ada" in command or "bob" in command:
            self.recipients.add(command)
            return "250"
        self.refused += 1
        return "550"

    def _data(self, command: str) -> str:
        if not self.mail:
            return "503"
        if not self.recipients:
            return "554" if self.refused else "503"
        return "501" if command == "DATA bad" else "354"


async def play(commands: list[str]) -> None:
    with TemporaryDirectory() as folder:
        limits = {"verify_authentication": False, "max_errors": 1000}
        async with running(Path(folder), limits) as site:
            client = await site.connect()
            await client.reply()
            accepted = await _talk(client, commands)
            assert [len(row.recipients) for row in site.queued()] == accepted
            assert site.log.errors == []


async def _talk(client: Dialog, commands: list[str]) -> list[int]:
    model, accepted = Model(), []
    for command in commands:
        expected = model.expects(command)
        sent = "DATA" if command in BODIES else command
        assert (await client.ask(sent))[:3] == expected, (command, commands)
        if expected == "354":
            content, outcome = BODIES[command]
            client.send(content)
            assert (await client.reply())[:3] == outcome
            if outcome == "250":
                accepted.append(len(model.recipients))
            model.forget()
    return accepted


@pytest.mark.soak
@pytest.mark.timeout(7200)
@settings(max_examples=amount(60, 3000), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(COMMANDS), min_size=20, max_size=120))
def test_commands_in_any_order(commands: list[str]) -> None:
    asyncio.run(play(commands))
