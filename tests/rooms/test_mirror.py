"""A module that runs code has a test of its name: `postroom/ROOM/MODULE.py` has `tests/unit/ROOM/test_MODULE.py`, or
several `test_MODULE_*.py`. Modules that only declare types and constants have nothing to run.

Exceptions are in one table, with the suite that tests them instead. An exception for a module that is gone, that only
declares, or that has got its test is a fault, and so is one whose suite is gone.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "agents/src/postroom"
UNITS = ROOT / "tests/unit"

# folder, modules, the suite that tests them (below tests/), and how it does
EXCEPTIONS = (
    ("auth", "config pool", "unit/auth/test_app.py", "starts the agent with settings, and asks its pool of hashers"),
    ("cli", "alias applying config directory domain firstpasswords main options output passwords present store user",
     "unit/cli/test_operator.py", "runs the commands as an operator does"),
    ("cli", "localsubmission mailq", "unit/cli/test_sendmail.py", "sends mail through them to a real msa"),
    ("cli/sandbox", "authority command domains processes", "interop/test_sandbox.py", "runs the sandbox as a process"),
    ("contracts", "outbox", "contracts/queue/test_outbox.py", "runs on every engine of the queue"),
    ("contracts", "queueadmin", "contracts/queue/test_queueadmin.py", "runs on every engine of the queue"),
    ("contracts", "search", "contracts/test_mailbox_search.py", "runs on every engine of the store"),
    ("couriers", "connection parcel session progress", "unit/couriers/test_smtp.py",
     "SMTP sessions with scripted servers go through all of them"),
    ("couriers", "fullness", "contracts/test_fullness.py", "runs on every implementation"),
    ("directory", "database plan schema", "unit/directory/test_apply.py", "applies documents to a real database"),
    ("directory", "problems validation", "unit/directory/test_reading.py", "reads documents with every fault"),
    ("imap", "app", "dialogs/imap/test_agent.py", "runs the agent as a process"),
    ("imap", "absence", "dialogs/imap/test_lost_files.py", "takes files away behind the agent's back"),
    ("imap", "bodies octets", "dialogs/imap/test_large_messages.py", "fetches and appends messages by pieces"),
    ("imap", "appending folders listing login messages namespaces quotas searching selecting",
     "dialogs/imap/*.dialog", "the handlers of commands need a session and a store: a server answers recorded dialogs"),
    ("imap", "fetchoutput rowitems", "dialogs/imap/*.dialog", "the words of FETCH are in the dialogs"),
    ("imap", "context dispatch session sessionlog", "dialogs/imap/test_dialogs.py",
     "every dialog goes through the session and its dispatch"),
    ("imap", "idling standing", "dialogs/imap/test_hostile.py", "disables accounts and idles against a real server"),
    ("imap", "news", "dialogs/imap/test_consistency.py", "compares what several sessions are told with the store"),
    ("imap", "timeslice", "dialogs/imap/test_loop_turns.py", "measures the turns of the event loop"),
    ("mail", "phrases tidying", "unit/mail/test_untidy.py", "tidies untidy headers with them"),
    ("mda", "delivery sessions", "unit/mda/test_app.py", "delivers to the agent as a process"),
    ("mda", "filing", "unit/mda/test_loops.py", "files messages by their head"),
    ("msa", "app header", "unit/msa/test_reception.py", "submits messages to a running server"),
    ("msa", "ownership", "unit/msa/test_x30_spoofing.py", "submits with addresses of other people"),
    ("policy/dkim", "keys signature", "unit/policy/dkim/test_verification.py", "verifies with every fault of both"),
    ("pop3", "app", "dialogs/pop3/test_life.py", "starts, reloads and ends the agent as a process"),
    ("pop3", "access listing retrieving session", "unit/pop3/test_conversation.py",
     "the loop of a session with the handlers of every command"),
    ("queue", "admin", "contracts/queue/test_queueadmin.py", "opens the engine"),
    ("queue", "intake", "contracts/queue/test_intake.py", "opens the engine"),
    ("queue", "outbox", "contracts/queue/test_outbox.py", "opens the engine"),
    ("queue/sqlite", "admin owners", "contracts/queue/test_queueadmin.py", "lists, holds and deletes on a real spool"),
    ("queue/sqlite", "outbox partition", "contracts/queue/test_outbox.py", "claims and settles on a real spool"),
    ("queue/sqlite", "claiming settling checkpoints content", "unit/queue/sqlite/test_reader.py",
     "claims, reads and settles rows"),
    ("queue/sqlite", "commits drafts lifecycle schema", "unit/queue/sqlite/test_spool.py", "accepts messages"),
    ("relay", "config keys", "unit/relay/test_app.py", "starts the agent with settings and signs with keys"),
    ("relay", "deliveries", "unit/relay/test_app.py", "delivers to real servers"),
    ("relay", "judgement", "unit/relay/test_parcels.py", "judges the results of parcels"),
    ("runtime", "clock files", "unit/runtime/test_service.py", "a service runs by the clock; a power cut cannot be had"),
    ("runtime", "nameserver", "interop/test_sandbox.py", "serves the sandbox, which is not for production"),
    ("runtime", "notify workers", "unit/runtime/test_service.py", "starts, reloads and ends workers"),
    ("runtime", "plain_transport", "unit/runtime/test_tls_transport.py", "TLS runs on top of it"),
    ("runtime", "resolver", "unit/relay/test_next_exchange.py", "asks a real nameserver through it"),
    ("smtpd", "context stream verbs receiving", "unit/smtpd/test_session.py", "sessions go through all of them"),
    ("smtpd", "login", "unit/msa/test_reception.py", "logs in to a running server"),
    ("smtpd", "reception settings", "unit/smtpd/test_extensions.py", "builds both for every extension"),
    ("store/sqlite", "account changing database mailboxes maildrop searching schema work",
     "contracts/test_mailbox*.py", "the contract suite runs on the engine made of them"),
    ("store/sqlite", "admin", "unit/store/test_admin.py", "opens the engine's view of accounts"),
    ("store/sqlite", "resting", "unit/store/sqlite/test_engine.py", "closes accounts at rest"),
    ("store/sqlite", "rows salvage", "unit/store/sqlite/test_verify.py", "damages rows and databases, and repairs them"),
    ("wire/imap", "appending arguments commands fetching fetchitems folders listing login messages namespaces "
     "quotas searching searchkeys selecting", "unit/wire/imap/test_parser.py", "parses the commands of every family"),
    ("wire/imap", "capability scanner", "unit/wire/imap/test_responses.py", "writes and scans words of responses"),
    ("wire/imap", "structure", "unit/wire/imap/test_sections.py", "describes the same messages as sections do"),
)  # fmt: skip

LISTED = {f"{folder}/{name}": suite for folder, names, suite, _ in EXCEPTIONS for name in names.split()}


def runs_code(path: Path) -> bool:
    """Return whether a function or method of the module has a body besides its docstring."""
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return any(
        not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant)
        for function in functions
        for statement in function.body
    )


def is_tested(module: str) -> bool:
    """Return whether there is a test of the module's name, where the module stands."""
    folder, _, name = module.rpartition("/")
    place = UNITS / folder
    return (place / f"test_{name}.py").exists() or any(place.glob(f"test_{name}_*.py"))


MODULES = {
    str(path.relative_to(SOURCES).with_suffix("")): path
    for path in sorted(SOURCES.rglob("*.py"))
    if path.name != "__init__.py"
}


def test_every_module_has_a_test_of_its_name() -> None:
    assert len(MODULES) > 200
    without = [
        name
        for name, path in MODULES.items()
        if name not in LISTED and runs_code(path) and not is_tested(name)
    ]
    assert without == []


@pytest.mark.parametrize("module", LISTED)
def test_an_exception_is_needed_and_its_suite_exists(module: str) -> None:
    assert module in MODULES, "the module is gone"
    assert runs_code(MODULES[module]), "a module that only declares needs no test"
    assert not is_tested(module), "the module has a test of its name now"
    assert list((ROOT / "tests").glob(LISTED[module])), "the suite is gone"


def test_a_module_is_listed_once() -> None:
    assert len(LISTED) == sum(len(names.split()) for _, names, _, _ in EXCEPTIONS)
