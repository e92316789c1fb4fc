"""No code path reaches a driver, or the network, without an Authorization or a Probe."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.choices import driver_kinds
from connectors.exceptions import PassageClosed
from connectors.services.calls import facts_of
from connectors.services.drivers import load_driver
from connectors.vocabulary import _MINT, Credential, DriverRequest, Passage
from tests.fakes import POST_MAPPING, FakeSystem, arguments

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("audit", "agents", "connectors", "workflows", "autonomy")
NETWORK = {
    "socket",
    "ssl",
    "http",
    "urllib",
    "requests",
    "httpx",
    "httpcore",
    "asyncio",
    "subprocess",
    "ctypes",
}


def sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def names_in(tree: ast.Module) -> set[str]:
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return found | {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def imported_by(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_passages_are_made_in_one_place() -> None:
    makers = {path for path, tree in sources(*ROOMS) if "_MINT" in names_in(tree)}
    assert makers == {"connectors/vocabulary.py", "connectors/services/passages.py"}


def test_drivers_are_asked_to_perform_in_two_places() -> None:
    asking = {path for path, tree in sources(*ROOMS) if path.startswith("connectors") and _calls_perform(tree)}
    assert asking == {"connectors/services/execution.py", "connectors/services/probes.py"}


def _calls_perform(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "perform"
        for node in ast.walk(tree)
    )


def test_drivers_touch_no_network_but_egress() -> None:
    for path, tree in sources("connectors/kinds"):
        assert not imported_by(tree) & NETWORK, path
        assert "Passage" not in names_in(tree), path


def test_no_driver_is_code_that_a_mapping_could_bring_along() -> None:
    for path, tree in sources("connectors"):
        assert not names_in(tree) & {"eval", "exec", "compile_command", "__import__"}, path


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [kind for kind, _ in driver_kinds()])
@pytest.mark.parametrize("door", ["perform", "test_connection"])
def test_no_driver_works_without_an_open_passage(
    book: dict[str, Any], fake: FakeSystem, kind: str, door: str
) -> None:
    closed = Passage(_MINT, call_id="c", system_id=str(book["system"].pk), operation_code="o", reads_only=False)
    closed.close()
    request = DriverRequest(
        passage=closed,
        system=facts_of(book["system"]),
        credential=Credential("bearer", secret=fake.key),
        mapping=POST_MAPPING,
        arguments=arguments(),
    )
    with pytest.raises(PassageClosed):
        getattr(load_driver(kind), door)(request)
    assert (fake.count(), fake.requests) == (0, [])


def test_a_driver_of_an_unknown_kind_is_refused() -> None:
    from audit.vocabulary import Refusal

    for odd in ("nothing", "../audit", "http.driver", ""):
        with pytest.raises(Refusal):
            load_driver(odd)
