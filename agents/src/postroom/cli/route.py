"""`postroom route`: where mail for an address goes, and why."""

import asyncio
from pathlib import Path
from typing import Any, Final

import click

from postroom.cli import options
from postroom.cli.output import REFUSED, UNAVAILABLE, Failure, print_json
from postroom.contracts.errors import Unavailable
from postroom.directory.reader import SqliteDirectory
from postroom.mail.address import Address, AddressError, parse_path
from postroom.policy.route import POSTMASTER, Reason, Route, RouteStep, Via
from postroom.runtime.clock import SystemClock
from postroom.runtime.config import ConfigError, load
from postroom.smtpd.routing import DirectoryRouter, Explained, read_srs_secrets
from postroom.smtpd.settings import SmtpSettings

SETTINGS: Final = ("/etc/postroom/mta.toml", "/etc/postroom/msa.toml")

# {address} and {to} are those of the step, {first} and {last} the ends of `to`.
WORDS: Final = {
    Reason.DOMAIN_ALIAS: "{address} is {to} under another name of the domain",
    Reason.SUBADDRESS: "{address} belongs to {to}; the mda files by the part after the separator",
    Reason.ALIAS: "{address} is an alias of {to}",
    Reason.LIST: "{address} is a list with the members {to}",
    Reason.TEAM: "{address} is a team with the members {to}",
    Reason.CATCH_ALL: "nobody has {address}; the catch-all of its domain is {to}",
    Reason.POSTMASTER: "nobody has {address}; the postmaster of this host is {to}",
    Reason.THIS_HOST: "{address} is for this host itself: {to}",
    Reason.SRS_RETURN: "{address} was made by SRS and leads back to {to}",
    Reason.MAILBOX: "{address} is the mailbox of account {first} on this host",
    Reason.HOME: "{address} is the mailbox of account {first} on its home host {last}",
    Reason.RELAYED: "{address} is outside: goes to the MX of {to}",
    Reason.FORWARDED: "{address} is outside: forwarded to the MX of {to}",
    Reason.SRS: "the envelope sender is rewritten by SRS",
    Reason.NOT_OURS: "{to} is no domain of ours, and strangers may not relay through this host",
    Reason.DISABLED: "{address} belongs to account {to}, which is disabled",
    Reason.UNKNOWN: "nobody has {address}, and its domain has no catch-all",
    Reason.SEEN: "{address} was reached another way already: it gets one copy",
    Reason.ENDLESS: "{address} lies behind too many aliases: they expand without end",
    Reason.BAD_SRS: "{address} looks like an SRS address, but this host did not make it or it has expired",
}


@click.command()
@click.argument("address")
@click.option(
    "--sender",
    default="",
    help="The envelope sender. One of our domains counts as a login, which may send anywhere.",
)
@click.option(
    "--config",
    "settings_file",
    type=click.Path(),
    show_default=" or ".join(SETTINGS),
    help="Settings file with the host's name and its SRS secrets.",
)
@options.directory_path
@options.as_json
def route(address: str, sender: str, settings_file: str | None, directory: str, as_json: bool) -> None:
    """Show where mail for ADDRESS goes, and why: the steps that mta and msa take when they accept it.

    It sends nothing. It exits with 1 if the address is refused.
    """
    config = _settings(settings_file)
    recipient, given = _address(address), sender.strip("<>")
    names = SqliteDirectory(directory)
    try:
        secrets = read_srs_secrets(config.srs_secrets_file)
        router = DirectoryRouter(names, config.host_name, SystemClock(), secrets, config.own_addresses)
        found, explained = asyncio.run(_explain(router, names, recipient, given))
    except ConfigError as error:
        raise Failure(str(error), UNAVAILABLE) from error
    except Unavailable as error:
        raise Failure(f"route: {error}", UNAVAILABLE) from error
    if as_json:
        print_json(_record(address, given, found, explained))
    else:
        _print(found, explained)
    if found.refusal is not None:
        raise click.exceptions.Exit(REFUSED)


async def _explain(
    router: DirectoryRouter, names: SqliteDirectory, recipient: Address, sender: str
) -> tuple[Route, tuple[Explained, ...]]:
    domain = sender.rpartition("@")[2].lower()
    login = bool(domain) and await names.domain(domain) is not None
    return await router.explain(recipient, sender, relay=login)


def _settings(path: str | None) -> SmtpSettings:
    """Return the settings of an agent that accepts mail. Raises Failure if there are none, or they are not usable."""
    from postroom.msa.config import MsaConfig  # noqa: PLC0415  # only this command needs them
    from postroom.mta.config import MtaConfig  # noqa: PLC0415

    usual = [options.rooted(name) for name in SETTINGS]
    chosen = path or next((name for name in usual if Path(name).exists()), None)
    if chosen is None:
        raise Failure(f"no settings at {' or '.join(usual)}: give a file with --config", UNAVAILABLE)
    kind: type[SmtpSettings] = MsaConfig if Path(chosen).stem == "msa" else MtaConfig
    try:
        return load(chosen, kind)
    except ConfigError as error:
        raise Failure(str(error), UNAVAILABLE) from error


def _address(text: str) -> Address:
    """Parse the address as SMTP does. Raises Failure."""
    text = text.removeprefix("<").removesuffix(">")
    if text.lower() == POSTMASTER:  # RFC 5321 section 4.5.1
        return Address(POSTMASTER, "")
    try:
        return parse_path(text)
    except AddressError as error:
        raise Failure(f"{text} is not an address: {error}") from error


def _print(found: Route, explained: tuple[Explained, ...]) -> None:
    for recipient, via in explained:
        where = f"{recipient.destination} ({recipient.hop.value})"
        click.echo(f"{recipient.address} goes to {where}")
        _print_steps(via)
        if recipient.sender is not None:
            click.echo(f"  with the envelope sender <{recipient.sender}>")
    if found.refusal is not None:
        click.echo(f"refused ({type(found.refusal).__name__})")
    for number, via in enumerate(found.dead_ends):
        if explained and not number:
            click.echo("leads nowhere")
        _print_steps(via)


def _print_steps(via: Via) -> None:
    for step in via:
        click.echo(f"  {_words(step)}")


def _words(step: RouteStep) -> str:
    first, last = (step.to[0], step.to[-1]) if step.to else ("", "")
    words = WORDS[step.reason].format(address=_name(step), to=", ".join(step.to), first=first, last=last)
    if step.reason is Reason.LIST and step.sender:
        return f"{words}; delivery reports go to its owner {step.sender}"
    return words


def _name(step: RouteStep) -> str:
    return str(step.address).removesuffix("@")  # `postmaster` needs no domain


def _record(address: str, sender: str, found: Route, explained: tuple[Explained, ...]) -> dict[str, Any]:
    return {
        "address": address,
        "sender": sender,
        "refused": type(found.refusal).__name__ if found.refusal is not None else None,
        "destinations": [
            {
                "address": recipient.address,
                "hop": recipient.hop.value,
                "destination": recipient.destination,
                "account": recipient.account or None,
                "sender": recipient.sender,
                "via": [_step(step) for step in via],
            }
            for recipient, via in explained
        ],
        "dead_ends": [[_step(step) for step in via] for via in found.dead_ends],
    }


def _step(step: RouteStep) -> dict[str, Any]:
    return {
        "reason": step.reason.value,
        "address": _name(step),
        "to": list(step.to),
        "sender": step.sender or None,
        "text": _words(step),
    }
