"""What no module may do: statements made from values (X17), shells (X20), one hash for all processes (X36)."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "agents/src/postroom"
SOURCES = sorted(PACKAGE.rglob("*.py"))
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*$")
# Read by hand: statements that are chosen among constants, and pieces of statements made from numbers.
REVIEWED = {
    ("auth/guess_file.py", "keep"): "one of two constants",
    ("auth/guess_file.py", "forget"): "one of two constants",
    ("auth/secrets.py", "statement"): "constants at every call",
    ("directory/reader.py", "statement"): "constants at every call",
    ("queue/sqlite/admin.py", "condition"): "names of columns with parameters",
    ("queue/sqlite/claiming.py", "others"): 'a row of "?"',
    ("store/sqlite/mailboxes.py", "table"): "constants at every call",
    ("store/sqlite/reading.py", "columns"): "constants at every call",
    ("store/sqlite/reading.py", "condition"): "constants and int()",
    ("store/sqlite/reading.py", "query"): "made from constants of this module",
    ("store/sqlite/schema.py", "statement"): "pieces of one constant",
}


def names_of_sources() -> list[str]:
    return [str(path.relative_to(PACKAGE)) for path in SOURCES]


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 100


def _statements(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("execute", "executemany", "executescript")
            and node.args
        ):
            yield node.args[0]


class Judge:
    """Follows the parts of a statement to where they come from, within one module."""

    def __init__(self, name: str, tree: ast.AST) -> None:
        self.name, self.tree = name, tree

    def faults(self, expression: ast.expr, depth: int = 0) -> list[str]:
        """Parts that are neither constants, nor numbers, nor reviewed."""
        match expression:
            case ast.Constant():
                return []
            case ast.JoinedStr(values=parts):
                return self._all(
                    [part.value for part in parts if isinstance(part, ast.FormattedValue)], depth
                )
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._all([left, right], depth)
            case ast.IfExp(body=body, orelse=other):
                return self._all([body, other], depth)
            case ast.Subscript(value=table):
                return self.faults(table, depth)
            case ast.Call(func=ast.Name(id="int")):
                return []
            case ast.Call(
                func=ast.Attribute(value=ast.Constant(), attr="join"), args=[ast.BinOp(left=ast.Constant())]
            ):
                return []  # ",".join("?" * count)
            case ast.Call(func=ast.Attribute(value=text, attr="format"), args=given, keywords=named):
                return self._all([text, *given, *(keyword.value for keyword in named)], depth)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return self._named(expression, name, depth)
        return [ast.unparse(expression)]

    def _all(self, expressions: list[ast.expr], depth: int) -> list[str]:
        return [fault for one in expressions for fault in self.faults(one, depth)]

    def _named(self, expression: ast.expr, name: str, depth: int) -> list[str]:
        if CONSTANT.match(name) or (self.name, name) in REVIEWED:
            return []
        made = [
            node.value
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name) and target.id == name
        ]
        return self._all(made, depth + 1) if made and depth < 5 else [ast.unparse(expression)]


@pytest.mark.parametrize("name", names_of_sources())
def test_x17_values_are_parameters_of_statements(name: str) -> None:
    tree = ast.parse((PACKAGE / name).read_text())
    judge = Judge(name, tree)
    assert [fault for statement in _statements(tree) for fault in judge.faults(statement)] == []


@pytest.mark.parametrize(
    "code",
    [
        'db.execute(f"SELECT {name}")', 'db.execute("SELECT " + name)', 'db.execute("SELECT %s" % name)',
        'db.execute("SELECT {}".format(name))', "db.execute(made(name))", 'q = f"x {name}"\ndb.execute(q)',
    ],
)  # fmt: skip
def test_x17_a_value_in_a_statement_is_found(code: str) -> None:
    tree = ast.parse(code)
    assert [fault for statement in _statements(tree) for fault in Judge("x.py", tree).faults(statement)]


def test_reviewed_places_exist() -> None:
    for name, word in REVIEWED:
        assert re.search(rf"\b{word}\b", (PACKAGE / name).read_text()), (name, word)


RUNNERS = {
    "system",
    "popen",
    "spawnl",
    "spawnv",
    "spawnlp",
    "spawnvp",
    "posix_spawn",
    "execv",
    "execve",
    "execvp",
}
MAY_EXEC = {"cli/mailq.py"}  # hands itself over to the command, with arguments of its own
MODULES = {"subprocess", "pickle", "marshal", "shelve", "pty", "commands"}


def _calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (("import", alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield "import", node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield "call", node.func.attr
            if any(keyword.arg == "shell" for keyword in node.keywords):
                yield "call", "shell"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield "name", node.func.id


@pytest.mark.parametrize("name", names_of_sources())
def test_x20_nothing_is_run(name: str) -> None:
    """No shell, no program, no code from octets: agents are denied exec, and so they need none."""
    for kind, found in _calls(ast.parse((PACKAGE / name).read_text())):
        assert not (kind == "import" and found in MODULES), found
        assert not (kind == "call" and found in RUNNERS and name not in MAY_EXEC), found
        assert found not in ("shell", "create_subprocess_exec", "create_subprocess_shell"), found
        assert not (kind == "name" and found in ("eval", "exec", "__import__")), found


def test_x20_a_shell_is_found() -> None:
    assert ("call", "shell") in set(_calls(ast.parse("subprocess.run(x, shell=True)")))
    assert ("call", "system") in set(_calls(ast.parse("os.system(x)")))


def test_x36_hashes_are_seeded_by_chance() -> None:
    """No unit, tool or setting fixes the seed, and it differs between processes."""
    for folder in ("roles", "tools", "playbooks", "agents/src", "inventory"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix not in (".pyc", ".so"):
                assert b"PYTHONHASHSEED" not in path.read_bytes(), path
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    command = [sys.executable, "-c", "print(hash('INBOX'), hash(b'x'))"]
    heard = {subprocess.check_output(command, env=environment) for _ in range(3)}
    assert len(heard) > 1
