"""The rules of the house that no linter knows. A list named here is an exception with its reason, never a place to hide."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent

LINES_PER_FILE = 400
LINES_PER_FUNCTION = 60
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"}

CATCHES_EVERYTHING = {
    "pool_worker/batching_redis.py": "whatever went wrong with a batch, whoever waits for it is told",
    "pool_worker/broker/asyncio_pool.py": "whatever a task raises is Celery's to report",
    "pool_worker/cli/main.py": "nobody should ever see a traceback",
    "pool_worker/strategies.py": "a strategy of somebody else's breaks no job",
    "pool_worker/tasks.py": "whatever interrupts a job, its message comes back",
    "tests/faults/callers.py": "what a thread meets is raised in the test's own",
}
SLEEPS = {
    "tests/broker/test_worker_process.py": "asks again until another process has done it",
    "tests/celery/at_work.py": "asks again until another process has done it",
    "tests/cli/command_server.py": "asks again whether a process has ended",
    "tests/cli/command_line.py": "asks again until another process has done it",
    "tests/faults/lab_processes.py": "asks again until another process has done it",
    "tests/faults/nursery.py": "asks again whether a process has ended",
    "tests/faults/runs.py": "how long a fault lasts is part of it",
    "tests/simulator/test_simulator_serving.py": "asks again until another process listens",
}


def project_files(*suffixes: str) -> list[Path]:
    """The files of the repository, committed or about to be."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [ROOT / name for name in listing.split("\0") if name.endswith(suffixes or ("",))]
    return sorted(path for path in paths if path.is_file())


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(path: Path, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds))


def lines_that_match(pattern: str, *suffixes: str) -> list[str]:
    found = []
    for path in project_files(*suffixes):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a test's bad input, on purpose
        found += [
            f"{named(path)}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if re.search(pattern, line)
        ]
    return found


def test_names_say_what_is_inside() -> None:
    parts = ((path, part) for path in project_files(".py") for part in (*path.relative_to(ROOT).parent.parts, path.stem))
    assert [named(path) for path, part in parts if VAGUE_NAMES & set(part.split("_"))] == []


def test_files_have_a_size_one_can_hold_in_the_head() -> None:
    sizes = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in project_files(".py", ".lua")}
    assert {name: lines for name, lines in sizes.items() if lines > LINES_PER_FILE} == {}


def test_functions_have_a_size_one_can_hold_in_the_head() -> None:
    too_long = [
        f"{named(path)}: {function.name}"
        for path in project_files(".py")
        if "migrations" not in path.parts  # a migration is one list of tables, written once
        for function in nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)
        if function.end_lineno - function.lineno >= LINES_PER_FUNCTION
    ]
    assert too_long == []


def catches_everything(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    is_broad = any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in kinds)
    last = handler.body[-1]
    passes_on = isinstance(last, ast.Raise) and last.exc is None
    return is_broad and not passes_on


def test_only_the_edges_catch_everything() -> None:
    swallowing = {
        named(path) for path in project_files(".py") for handler in nodes(path, ast.ExceptHandler) if catches_everything(handler)
    }
    suppressing = {line.split(":")[0] for line in lines_that_match(r"suppress\((Base)?Exception\b", ".py")} - {
        named(Path(__file__))
    }
    assert swallowing | suppressing == set(CATCHES_EVERYTHING)


def test_lua_stands_in_lua_files() -> None:
    assert lines_that_match(r"redis[.]p?call", ".py") == []


def lua_head(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(lines[: next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))])


def test_every_lua_operation_says_what_it_takes_and_gives() -> None:
    scripts = project_files(".lua")
    included = {
        (ROOT / "pool_worker" / name.replace("client/", "../pool_client/")).resolve().parent / "lua" / Path(name).name
        if "/" in name
        else script.parent / name
        for script in scripts
        for name in re.findall(r"(?m)^-- include (\S+)$", script.read_text(encoding="utf-8"))
    }
    assert [named(path) for path in included if not path.is_file()] == []
    heads = {path: lua_head(path) for path in scripts}
    assert [named(path) for path, head in heads.items() if not head] == []
    words = ("-- Purpose:", "-- KEYS", "-- ARGV", "-- Returns")
    assert [named(path) for path, head in heads.items() if path not in included and not all(word in head for word in words)] == []


def test_redis_keys_are_built_in_one_place() -> None:
    strings = [
        f"{named(path)}:{node.lineno}: {node.value}"
        for path in project_files(".py")
        if path.name != "redis_keys.py" and path.relative_to(ROOT).parts[0] in {"pool_client", "pool_worker"}
        for node in nodes(path, ast.Constant)
        if isinstance(node.value, str) and node.value.startswith("pool:")
    ]
    assert strings == []


def test_tests_wait_for_events_not_for_time() -> None:
    calls = {
        named(path)
        for path in project_files(".py")
        if path.is_relative_to(ROOT / "tests")
        for call in nodes(path, ast.Call)
        if ast.unparse(call.func) in {"time.sleep", "sleep"}
    }
    assert calls - set(SLEEPS) == set()


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", id="left for later"),
        pytest.param(r"(?<![\w.])/(ro" r"ot|wo" r"rk|Us" r"ers|ho" r"me/\w+)/", id="a path of one machine"),
        pytest.param(r"--(extra-)?index" r"-url|pkg\.d" r"ev|artif" r"actory|/sim" r"ple/", id="a registry"),
    ],
)
def test_no_file_holds(pattern: str) -> None:
    assert lines_that_match(pattern) == []


def test_the_changelog_begins_with_this_release() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^## (\d+\.\d+\.\d+)", changelog)[:1] == [version]


def locked(name: str) -> dict[str, str]:
    """Package → version, as a lock pins them."""
    return dict(re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", (ROOT / "requirements" / name).read_text(encoding="utf-8")))


def test_what_runs_is_what_is_tested() -> None:
    run, dev = locked("run.txt"), locked("dev.txt")
    assert run
    assert run.items() - dev.items() == set()


@pytest.mark.parametrize(("lock", "extras"), [("run.txt", {"worker", "simulator", "build"}), ("dev.txt", None)])
def test_the_locks_hold_what_is_asked_for(lock: str, extras: set[str] | None) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = [
        line for extra, lines in project["optional-dependencies"].items() if extras is None or extra in extras for line in lines
    ]
    asked = [Requirement(line) for line in (*project["dependencies"], *optional)]
    pins = locked(lock)
    assert [str(one) for one in asked if not one.specifier.contains(pins.get(canonicalize_name(one.name), "0"))] == []


def test_links_in_the_documents_lead_somewhere() -> None:
    broken = [
        f"{named(path)}: {target}"
        for path in project_files(".md")
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []


def test_no_two_test_files_have_the_same_name() -> None:
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == [], "pytest imports them by name alone"
