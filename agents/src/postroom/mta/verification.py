"""Message authentication: SPF, DKIM and DMARC together, within one time limit. RFC 7208, 6376, 9989, 8601."""

import asyncio
import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from postroom.contracts.clock import Clock
from postroom.contracts.errors import PolicyRefused, Unavailable
from postroom.contracts.queue import Draft
from postroom.mail.headermailboxes import Author, author
from postroom.mail.headers import HeaderBlock
from postroom.policy.authres import (
    Verdict,
    authentication_results,
    dkim_results,
    dmarc_result,
    spf_result,
    verdict_field,
)
from postroom.policy.dkim import DkimResult, DkimVerdict, Verification
from postroom.policy.dmarc import DmarcResult, DmarcVerdict, Policy, evaluate
from postroom.policy.lookups import Lookups
from postroom.policy.spf import Identity, SpfResult, SpfVerdict, check_sender
from postroom.smtpd.reception import Client
from postroom.smtpd.transaction import Transaction

BUDGET_SECONDS: Final = 20.0  # RFC 7208 section 4.6.4 asks for at least 20
BREATH: Final = 4  # pieces of a body after which other tasks may run

_NUMBER: Final = re.compile(rb"\[(?:IPv6:)?[0-9A-Fa-f:.]+\]", re.IGNORECASE)  # an address literal

T = TypeVar("T")


class Resolver(Protocol):
    """Runs the DNS lookups of a policy."""

    async def run(self, steps: Lookups[T], seconds: float = ...) -> T:
        """Return the policy's result."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The results that are added to the message and stored with it."""

    fields: tuple[bytes, ...] = ()
    authentication: str = ""
    vouched: bool = False
    summary: str = ""


class Verifier:
    """Judges messages from other servers."""

    def __init__(self, resolver: Resolver, host_name: str, clock: Clock, *, honour_dmarc: bool) -> None:
        self._resolver = resolver
        self._host_name = host_name
        self._clock = clock
        self._honour = honour_dmarc

    async def judge(
        self, client: Client, transaction: Transaction, block: HeaderBlock, draft: Draft
    ) -> Judgement:
        """Return the judgement of an acceptable message.

        Raises PolicyRefused because of DMARC; Unavailable if DNS did not answer what the decision needs.
        """
        began = self._clock.steady()
        spf, dkim = await asyncio.gather(
            self._spf(client, transaction.sender), self._dkim(block, draft), return_exceptions=False
        )
        left = max(1.0, BUDGET_SECONDS - (self._clock.steady() - began))
        of = author(block)
        dmarc = await self._resolver.run(evaluate(of, spf, dkim), left)
        self._refuse(dmarc)
        suspicion = _suspicion(of, dmarc, transaction.sender) if self._honour else ""
        return self._judgement(transaction.sender, spf, dkim, dmarc, suspicion)

    async def _spf(self, client: Client, sender: str) -> SpfVerdict | None:
        try:
            address = ipaddress.ip_address(client.address)
        except ValueError:
            return None
        steps = check_sender(
            address, sender, client.helo, receiver=self._host_name, now=int(self._clock.now())
        )
        return await self._resolver.run(steps, BUDGET_SECONDS)

    async def _dkim(self, block: HeaderBlock, draft: Draft) -> tuple[DkimVerdict, ...]:
        verification = Verification(block)
        if verification.wants_body:
            for count, piece in enumerate(draft.body(block.body_offset), 1):
                verification.update(piece)
                if count % BREATH == 0:
                    await asyncio.sleep(0)
        return await self._resolver.run(verification.results(int(self._clock.now())), BUDGET_SECONDS)

    def _refuse(self, dmarc: DmarcVerdict) -> None:
        if not self._honour:
            return
        if dmarc.result is DmarcResult.PERMERROR and dmarc.disposition is Policy.REJECT:
            raise PolicyRefused(f"Exactly one author domain is needed: {dmarc.reason}")
        if dmarc.result is DmarcResult.TEMPERROR and (
            dmarc.policy is not Policy.NONE or not dmarc.policy_domain
        ):
            raise Unavailable(f"DMARC of {dmarc.author_domain}: {dmarc.reason}")
        if dmarc.disposition is Policy.REJECT:
            raise PolicyRefused(f"Message refused by the DMARC policy of {dmarc.author_domain}")

    def _judgement(
        self,
        sender: str,
        spf: SpfVerdict | None,
        dkim: tuple[DkimVerdict, ...],
        dmarc: DmarcVerdict,
        suspicion: str,
    ) -> Judgement:
        results = [*([spf_result(spf)] if spf else []), *dkim_results(dkim), dmarc_result(dmarc)]
        results_field = authentication_results(self._host_name, results)
        verdict = Verdict(bool(suspicion), (suspicion,) if suspicion else ())
        value = results_field.decode("ascii").partition(":")[2].replace("\r\n", "").strip()
        passed = "pass" if any(one.result is DkimResult.PASS for one in dkim) else "none"
        return Judgement(
            fields=(results_field, verdict_field(verdict)),
            authentication=value,
            vouched=_vouched(sender, spf, dkim),
            summary=f"spf={spf.result if spf else 'none'} dkim={passed} dmarc={dmarc.result}",
        )


def _suspicion(of: Author, dmarc: DmarcVerdict, sender: str) -> str:
    """Return why the message is junk, in words for its reader, or "".

    Reports have a null sender, and many have no usable author or come from a host without a name.
    """
    if of.doubtful:
        return "the From field hides what may look like an address"
    if dmarc.disposition is not Policy.QUARANTINE:
        return ""
    if dmarc.result is not DmarcResult.PERMERROR:
        return f"DMARC policy of {dmarc.author_domain} asks for quarantine"
    is_report = not sender and all(_NUMBER.fullmatch(box.domain) for box in of.mailboxes)
    return "" if is_report else f"the author cannot be known: {dmarc.reason}"


def _vouched(sender: str, spf: SpfVerdict | None, dkim: tuple[DkimVerdict, ...]) -> bool:
    """Return whether a bounce would reach the real sender: SPF passed, or a signature of its domain is valid."""
    if not sender:
        return False
    if spf is not None and spf.identity is Identity.MAIL_FROM and spf.result is SpfResult.PASS:
        return True
    domain = sender.rpartition("@")[2].lower()
    return any(
        one.result is DkimResult.PASS and (domain == one.domain or domain.endswith(f".{one.domain}"))
        for one in dkim
        if one.domain
    )
