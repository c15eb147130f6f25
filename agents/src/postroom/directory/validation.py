"""Rules between the objects of a document, beyond the form of each."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from postroom.directory.database import canonical
from postroom.directory.problems import Problem, problem
from postroom.directory.schema import VERSION, AccountRecord, AccountState, Document, DomainRecord, Record
from postroom.mail.address import Address, AddressError, parse_address, parse_domain, parse_path

ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SELECTOR = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*"
)
SEPARATORS = "+-_=.~#"
MAX_QUOTA = 2**53 - 1  # the largest integer that every JSON parser reads exactly
MAX_LIMIT = 10**9
MAX_PASSWORD = 1024
MAX_ID = 64
MAX_NAME = 200

R = TypeVar("R", bound=Record)


@dataclass
class _Check:
    """The state of the check: the domains and addresses found so far, and the faults."""

    problems: list[Problem] = field(default_factory=list)
    domains: dict[str, DomainRecord] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)  # address to the path that claims it

    def fault(self, path: str, value: object, remedy: str) -> None:
        self.problems.append(problem(path, value, remedy))

    def domain(self, path: str, text: str) -> str:
        try:
            return parse_domain(text)
        except AddressError:
            self.fault(path, text, "give a domain name of letters, digits, hyphens and dots")
            return text.lower()

    def address(self, path: str, text: str) -> str:
        """Check any address that mail can go to; return it in lower case."""
        return self._key(path, text, parse_path)

    def _key(self, path: str, text: str, parse: Callable[[str], Address]) -> str:
        try:
            return parse(text).key
        except AddressError as error:
            self.fault(path, text, f"{error}; give local@domain")
            return text.lower()

    def own_address(self, path: str, text: str) -> str:
        """Check a local address: it must be in a domain of the document that is not an alias domain."""
        key = self._key(path, text, parse_address)
        domain = key.rpartition("@")[2]
        known = self.domains.get(domain)
        if known is None and self.domains:
            self.fault(path, text, f"unknown domain {domain}; known are {', '.join(sorted(self.domains))}")
        elif known is None:
            self.fault(path, text, f"unknown domain {domain}; the document names no domains")
        elif known.alias_of:
            self.fault(path, text, f"{domain} is an alias domain; give the address in {known.alias_of}")
        return key

    def claim(self, path: str, key: str) -> None:
        """Record the owner of an address; a second owner is a fault."""
        first = self.owners.setdefault(key, path)
        if first != path:
            self.fault(path, key, f"already the address of {first}; give it to one of them")

    def addresses(self, path: str, texts: Iterable[str], read: Callable[[str, str], str]) -> tuple[str, ...]:
        return tuple(read(f"{path}[{index}]", text) for index, text in enumerate(texts))


def faults(document: Document) -> tuple[Document, list[Problem]]:
    """Return the document in normal form (addresses and domains in lower case), and all its faults."""
    check = _Check()
    if document.version != VERSION:
        check.fault("version", document.version, f"give {VERSION}")
    domains = tuple(_domain(check, path, record) for path, record in _placed("domains", document.domains))
    document = msgspec.structs.replace(
        document,
        domains=domains,
        accounts=tuple(
            _account(check, path, record) for path, record in _placed("accounts", document.accounts)
        ),
        aliases=tuple(_shared(check, path, record) for path, record in _placed("aliases", document.aliases)),
        lists=tuple(_shared(check, path, record) for path, record in _placed("lists", document.lists)),
        teams=tuple(_shared(check, path, record) for path, record in _placed("teams", document.teams)),
    )
    _alias_domains(check, document)
    _accounts_once(check, document)
    _members_exist(check, document)
    _no_cycles(check, document)
    return document, check.problems


def _placed(section: str, records: Iterable[R]) -> Iterator[tuple[str, R]]:
    return ((f"{section}[{index}]", record) for index, record in enumerate(records))


def _domain(check: _Check, path: str, record: DomainRecord) -> DomainRecord:
    name = check.domain(f"{path}.name", record.name)
    home = check.domain(f"{path}.home", record.home)
    if name in check.domains:
        check.fault(f"{path}.name", record.name, "named twice; a domain stands once, with one home host")
    if record.separator and (len(record.separator) != 1 or record.separator not in SEPARATORS):
        check.fault(
            f"{path}.separator", record.separator, f'give one of {SEPARATORS}, or "" for no subaddresses'
        )
    for index, selector in enumerate(record.selectors):
        if not SELECTOR.fullmatch(selector) or len(selector) > 63:
            check.fault(
                f"{path}.selectors[{index}]", selector, "give a DKIM selector: letters, digits, hyphens"
            )
    alias_of = check.domain(f"{path}.alias_of", record.alias_of) if record.alias_of is not None else None
    catch_all = check.addresses(f"{path}.catch_all", record.catch_all, check.address)
    record = msgspec.structs.replace(record, name=name, home=home, alias_of=alias_of, catch_all=catch_all)
    check.domains.setdefault(name, record)
    return record


def _account(check: _Check, path: str, record: AccountRecord) -> AccountRecord:
    if not ACCOUNT_ID.fullmatch(record.id):
        check.fault(f"{path}.id", record.id, "give 1 to 64 of a-z 0-9 . _ -, a letter or digit first")
    _account_numbers(check, path, record)
    _name(check, f"{path}.name", record.name)
    if len(record.password) > MAX_PASSWORD or "\0" in record.password:
        check.fault(f"{path}.password", "", f"give at most {MAX_PASSWORD} characters, none of them NUL")
    if len(record.password_id) > MAX_ID or not record.password_id.isprintable():
        check.fault(f"{path}.password_id", record.password_id, f"give at most {MAX_ID} printable characters")
    if record.state is AccountState.DELETED:
        return AccountRecord(id=record.id, address=record.address.lower(), state=record.state)
    address = check.own_address(f"{path}.address", record.address)
    check.claim(f"{path}.address", address)
    further = check.addresses(f"{path}.addresses", record.addresses, check.own_address)
    for index, key in enumerate(further):
        check.claim(f"{path}.addresses[{index}]", key)
    send_as = check.addresses(f"{path}.rights.send_as", record.rights.send_as, check.own_address)
    same = send_as == record.rights.send_as
    rights = record.rights if same else msgspec.structs.replace(record.rights, send_as=send_as)
    return msgspec.structs.replace(record, address=address, addresses=further, rights=rights)


def _account_numbers(check: _Check, path: str, record: AccountRecord) -> None:
    if not 0 <= record.quota_bytes <= MAX_QUOTA:
        check.fault(f"{path}.quota_bytes", record.quota_bytes, "give octets, 0 for no limit")
    for name in ("messages_per_day", "recipients_per_day"):
        value = getattr(record.limits, name)
        if not 0 <= value <= MAX_LIMIT:
            check.fault(f"{path}.limits.{name}", value, f"give 0 (the agent's default) to {MAX_LIMIT}")


def _name(check: _Check, path: str, name: str) -> None:
    if len(name) > MAX_NAME or not all(character.isprintable() for character in name):
        check.fault(path, name, f"give at most {MAX_NAME} printable characters")


def _shared(check: _Check, path: str, record: R) -> R:
    """Check an alias, a list or a team."""
    address = check.own_address(f"{path}.address", record.key)
    check.claim(f"{path}.address", address)
    members: tuple[str, ...] = getattr(record, "members")  # noqa: B009 -- not every record has it
    if not members:
        check.fault(f"{path}.members", [], "give at least one address")
    _name(check, f"{path}.name", getattr(record, "name", ""))
    changed = {"address": address, "members": check.addresses(f"{path}.members", members, check.address)}
    if hasattr(record, "owner"):
        changed["owner"] = check.address(f"{path}.owner", record.owner)
    return msgspec.structs.replace(record, **changed)


def _alias_domains(check: _Check, document: Document) -> None:
    for path, domain in _placed("domains", document.domains):
        if domain.alias_of is None:
            continue
        target = check.domains.get(domain.alias_of)
        if target is None:
            check.fault(
                f"{path}.alias_of", domain.alias_of, "unknown domain; give one of the document's domains"
            )
        elif target.alias_of is not None:
            check.fault(f"{path}.alias_of", domain.alias_of, "is an alias itself; give the real domain")
        elif target.home != domain.home:
            check.fault(f"{path}.home", domain.home, f"give {target.home}: the home host of {target.name}")
        if domain.catch_all:
            check.fault(
                f"{path}.catch_all", list(domain.catch_all), f"leave it out: {domain.alias_of} decides"
            )


def _accounts_once(check: _Check, document: Document) -> None:
    first: dict[str, str] = {}
    for path, account in _placed("accounts", document.accounts):
        other = first.setdefault(account.id, path)
        if other != path:
            check.fault(
                f"{path}.id", account.id, f"already the id of {other}; ids never change and are never shared"
            )


def _members(document: Document) -> Iterator[tuple[str, str, str]]:
    """Yield (path, address, member) for every member of an alias, list or team."""
    for section in ("aliases", "lists", "teams"):
        for path, record in _placed(section, getattr(document, section)):
            for index, member in enumerate(record.members):
                yield f"{path}.members[{index}]", record.address, member


def _members_exist(check: _Check, document: Document) -> None:
    named = [(path, member) for path, _, member in _members(document)]
    named += [(f"{path}.owner", record.owner) for path, record in _placed("lists", document.lists)]
    for path, domain in _placed("domains", document.domains):
        named += [(f"{path}.catch_all[{index}]", member) for index, member in enumerate(domain.catch_all)]
    for path, member in named:
        found = _behind(check, member)
        ours = check.domains.get(member.rpartition("@")[2])
        if found is None and ours is not None and not _caught(check, ours, path):
            check.fault(path, member, f"nobody has this address in {ours.name}; give one that exists")


def _caught(check: _Check, domain: DomainRecord, path: str) -> bool:
    real = check.domains.get(domain.alias_of, domain) if domain.alias_of else domain
    return bool(real.catch_all) and ".catch_all[" not in path


def _behind(check: _Check, address: str) -> str | None:
    """Return the known address that this one leads to; None for unknown addresses and for those outside."""
    targets: Mapping[str, str] = {
        name: domain.alias_of for name, domain in check.domains.items() if domain.alias_of
    }
    key = canonical(address, targets)
    if key in check.owners:
        return key
    domain = check.domains.get(key.rpartition("@")[2])
    if domain is None:
        return None
    try:
        plain = parse_path(key).split_detail(domain.separator)[0].key
    except AddressError:
        return None
    return plain if plain in check.owners else None


def _no_cycles(check: _Check, document: Document) -> None:
    """Follow every alias, list and team; a cycle is a fault, reported once."""
    leads: dict[str, list[tuple[str, str]]] = {}
    for path, owner, member in _members(document):
        target = _behind(check, member)
        if target is not None:
            leads.setdefault(owner, []).append((path, target))
    done: set[str] = set()
    for start in leads:
        _walk(check, leads, start, done)


def _walk(check: _Check, leads: dict[str, list[tuple[str, str]]], start: str, done: set[str]) -> None:
    """Search depth first without recursion, since chains may be long."""
    way: list[tuple[str, Iterator[tuple[str, str]]]] = []
    on_way: set[str] = set()

    def enter(address: str) -> None:
        way.append((address, iter(leads.get(address, ()))))
        on_way.add(address)

    if start not in done:
        enter(start)
    while way:
        address, rest = way[-1]
        for path, target in rest:
            if target in on_way:
                names = [name for name, _ in way]
                circle = " -> ".join([*names[names.index(target) :], target])
                check.fault(path, target, f"goes in a circle: {circle}; take it out")
            elif target not in done:
                enter(target)
                break
        else:
            way.pop()
            on_way.discard(address)
            done.add(address)
