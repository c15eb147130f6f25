"""SEARCH: messages are matched by rows, then envelopes, headers and contents. RFC 3501, RFC 4731, RFC 7162.

Room rule: the search reads no more of the mailbox than the keys need. Contents are matched off the event loop in
batches of bounded size, so that other sessions run meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from postroom.contracts.errors import MailError, MessageGone, MessageLost
from postroom.contracts.search import Body, Day, Header, InEnvelope, Key, ModSeq, leaves
from postroom.imap.absence import demand_present
from postroom.imap.dispatch import CommandHandler
from postroom.imap.matching import Candidate, MailboxFacts, predicate
from postroom.imap.refusals import LOST, SEARCHED_PAST_GONE, TaggedReply
from postroom.imap.session import ImapSession
from postroom.policy.searchrows import row_judge, settled
from postroom.store.ahead import contents_ahead, heads_ahead
from postroom.wire.imap.searching import Search, esearch_line, search_line
from postroom.wire.imap.sections import header_end

ROWS: Final = 2000
DETAILS: Final = 200
CONTENTS: Final = 64
CONTENT_OCTETS: Final = 4 << 20
AHEAD: Final = 1 << 20  # octets that are read in one call of the store
HEAD: Final = 16_384  # octets in which most header blocks end
Loader = Callable[[list[Candidate]], Awaitable[list[Candidate]]]
Reader = Callable[[Candidate], Awaitable[bytes]]


async def search(session: ImapSession, command: Search) -> TaggedReply:
    """Answer SEARCH and UID SEARCH."""
    conditional = any(isinstance(key, ModSeq) for key in leaves(command.key))  # RFC 7162 section 3.1.5
    if conditional:
        session.enable_condstore()
    view = session.selected
    facts = MailboxFacts(len(view.uids), view.uids[-1] if view.uids else 0, frozenset(view.recent))
    messages: list[Candidate] = []
    for start in range(0, len(view.uids), ROWS):
        numbered = enumerate(view.uids[start : start + ROWS], start + 1)
        messages += [Candidate(uid, number) for number, uid in numbered if uid not in view.gone]
        if session.time_slice.over:
            await session.flush()
    searching = _Search(session, command.key, facts)
    found = await searching.run(messages)
    if conditional:
        found = await _with_rows(session, found)
    session.write(_answer(session.tag, command, found, conditional))
    if searching.lost:  # the answer is right for all others
        return TaggedReply(b"OK", LOST.text, LOST.code)
    if searching.left_out or view.gone:
        session.note_news()  # after a UID SEARCH the EXPUNGE may be written at once
        return TaggedReply() if command.uid else SEARCHED_PAST_GONE
    return TaggedReply()


async def _with_rows(session: ImapSession, messages: list[Candidate]) -> list[Candidate]:
    """Return the messages with their rows, also where no key needed them."""
    if any(message.row is None for message in messages):
        uids = [message.uid for message in messages]
        rows = {row.uid: row for row in await session.selected_account.rows(session.selected.id, uids)}
        for message in messages:
            message.row = rows.get(message.uid)
    return [message for message in messages if message.row is not None]


class _Search:
    def __init__(self, session: ImapSession, key: Key, facts: MailboxFacts) -> None:
        self._session = session
        self._matches = predicate(key, facts)
        self._key = settled(key, session.selected.uids, facts.recent)
        used = tuple(leaves(key))
        self._asks_row = any(row_judge(leaf) is not None for leaf in used)
        self._asks_header = any(isinstance(leaf, Header) for leaf in used)
        self._asks_envelope = any(
            isinstance(leaf, InEnvelope) or (isinstance(leaf, Day) and leaf.sent) for leaf in used
        )
        # A text is looked for in the parts that the structure names.
        self._asks_detail = self._asks_envelope or any(isinstance(leaf, Body) for leaf in used)
        self._found: list[Candidate] = []
        self.lost = False
        self.left_out = False  # some were expunged, and the client does not know yet

    async def run(self, messages: list[Candidate]) -> list[Candidate]:
        """Return the messages that match, in their order."""
        open_: list[Candidate] = []
        for start in range(0, len(messages), ROWS):
            open_ += self._undecided(messages[start : start + ROWS])
            if self._session.time_slice.over:
                await self._session.flush()
        if open_:
            open_ = await self._asked_of_store(open_)
        if open_ and self._asks_envelope:
            open_ = await self._by_step(open_, DETAILS, self._load_details)
        if open_ and self._asks_header:
            open_ = await self._by_octets(open_, self._load_header)
        if open_:
            await self._by_octets(open_, self._load_content)
        return sorted(self._found, key=lambda message: message.number)

    def _undecided(self, messages: Sequence[Candidate]) -> list[Candidate]:
        """Keep the messages that match, and return those that need more to be read."""
        open_ = []
        for message in messages:
            try:
                result = self._matches(message)
            except Exception as error:  # a fault of ours with this message; the others can still match
                self._note_fault(message, error)
                continue
            if result is None:
                open_.append(message)
            elif result:
                self._found.append(message)
        return open_

    async def _by_step(self, messages: list[Candidate], size: int, load: Loader) -> list[Candidate]:
        open_: list[Candidate] = []
        for start in range(0, len(messages), size):
            chunk = messages[start : start + size]
            open_ += self._undecided(await load(chunk))
            for message in chunk:
                message.detail = None  # the envelopes of a whole mailbox would take too much memory
            await self._session.flush()
        return open_

    async def _asked_of_store(self, messages: list[Candidate]) -> list[Candidate]:
        """Let the store judge; return the messages that it leaves undecided, with rows where a key needs them."""
        account, view = self._session.selected_account, self._session.selected
        open_: list[Candidate] = []
        for start in range(0, len(messages), ROWS):
            chunk = messages[start : start + ROWS]
            found = await account.search(view.id, self._key, [message.uid for message in chunk])
            matching = frozenset(found.matching)
            self._found += [message for message in chunk if message.uid in matching]
            self.left_out = self.left_out or bool(found.missing)
            if found.undecided:
                undecided = frozenset(found.undecided)
                left = [message for message in chunk if message.uid in undecided]
                open_ += self._undecided(await self._load_rows(left)) if self._asks_row else left
            await self._session.flush()
        return open_

    async def _load_rows(self, messages: list[Candidate]) -> list[Candidate]:
        account, view = self._session.selected_account, self._session.selected
        rows = {row.uid: row for row in await account.rows(view.id, [message.uid for message in messages])}
        for message in messages:
            message.row = rows.get(message.uid)
        loaded = [message for message in messages if message.row is not None]
        self.left_out = self.left_out or len(loaded) < len(messages)
        return loaded

    async def _load_details(self, messages: list[Candidate]) -> list[Candidate]:
        account, view = self._session.selected_account, self._session.selected
        found = await account.details(view.id, [message.uid for message in messages])
        details = {detail.uid: detail for detail in found}
        loaded: list[Candidate] = []
        for message in messages:
            message.detail = details.get(message.uid)
            if message.detail is not None:
                loaded.append(message)
            else:
                await self._unless_absent(message, demand_present(self._session, message.uid))
        return loaded

    def _note_fault(self, message: Candidate, error: Exception) -> None:
        self.lost = True
        name = self._session.selected.name
        self._session.log.fault(f"SEARCH of mailbox={name!r} uid={message.uid}", error)

    async def _unless_absent(self, message: Candidate, asking: Awaitable[bytes | None]) -> bytes | None:
        """Return the octets, or None for a message that cannot be read, which is noted."""
        try:
            return await asking
        except MessageGone:
            self.left_out = True
        except MessageLost as lost:
            self.lost = True
            self._session.log.lost(lost)
        except (MailError, OSError):  # of the store as a whole
            raise
        except Exception as error:
            self._note_fault(message, error)
        return None

    async def _by_octets(self, messages: list[Candidate], load: Reader) -> list[Candidate]:
        uids = [message.uid for message in messages]
        account, mailbox = self._session.selected_account, self._session.selected.id
        self._contents = contents_ahead(account, mailbox, uids, AHEAD)
        self._heads = heads_ahead(account, mailbox, uids, HEAD)
        open_: list[Candidate] = []
        batch: list[Candidate] = []
        octets = 0
        for message in messages:
            loaded = await self._unless_absent(message, load(message))
            if self._session.time_slice.over:
                await self._session.flush()
            if loaded is None:
                continue
            batch.append(message)
            octets += len(loaded)
            if len(batch) >= CONTENTS or octets >= CONTENT_OCTETS:
                open_ += await self._match_batch(batch)
                batch, octets = [], 0
        if batch:
            open_ += await self._match_batch(batch)
        return open_

    async def _load_header(self, message: Candidate) -> bytes:
        """Read and return the header block. Raises MessageGone, MessageLost."""
        account, mailbox = self._session.selected_account, self._session.selected.id
        start = await self._heads.read(message.uid)
        end = header_end(start)
        if end == len(start):
            start = await account.content(mailbox, message.uid)
            end = header_end(start)
        message.header = start[:end]
        return message.header

    async def _load_content(self, message: Candidate) -> bytes:
        """Read and return the whole message. Raises MessageGone, MessageLost."""
        message.content = await self._contents.read(message.uid)
        return message.content

    async def _match_batch(self, batch: list[Candidate]) -> list[Candidate]:
        known = await self._load_details(batch) if self._asks_detail else batch
        open_ = await asyncio.to_thread(self._undecided, known)
        for message in batch:
            message.content = message.header = message.detail = None
        await self._session.flush()
        return open_


def _answer(tag: bytes, command: Search, found: list[Candidate], conditional: bool) -> bytes:
    """Return SEARCH or ESEARCH; MODSEQ covers what is returned (RFC 7162 sections 3.1.5 and 3.1.10)."""
    numbers = [message.uid if command.uid else message.number for message in found]
    if command.results is None:
        return search_line(numbers, _highest(found) if found and conditional else None)
    returned = found
    if not command.results & {b"ALL", b"COUNT"}:
        returned = found[:1] if b"MIN" in command.results else []
        returned = returned + (found[-1:] if b"MAX" in command.results else [])
    highest = _highest(returned) if found and conditional else None
    return esearch_line(tag, command.results, command.uid, numbers, highest)


def _highest(messages: Sequence[Candidate]) -> int:
    return max(message.row.modseq for message in messages if message.row is not None)


HANDLERS: Final = (CommandHandler(Search, search, by_number=True),)
