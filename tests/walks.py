"""A walk over every page that may be read, for tests that look at all of them and for their measurement."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.surface import routes

# A manager, an approver, an operator, an auditor and a superuser: whoever has a right of their own.
READERS = ("alice", "bob", "dave", "carol", "root")
# These answer with a file of everything, or do work of their own; they are no pages somebody waits for.
NO_PAGES = ("export", "download", ".csv", ".jsonl", "evidence", "verify", "autocomplete", "jsi18n")


@dataclass(frozen=True)
class Page:
    """What one reader was shown: HTML, or JSON that a script shows them."""

    reader: str
    pattern: str
    is_html: bool
    text: str

    @property
    def name(self) -> str:
        """Return who asked for what, as a failure says it."""
        return f"{self.reader} {self.pattern}"


def addresses(world: Any, left_out: Iterable[str] = NO_PAGES) -> Iterator[tuple[str, str]]:
    """Yield pattern and address of everything that may be read, for the objects of one owner.

    ``left_out``: words that a pattern has where it is no page for the one who asks.
    """
    from tests.test_permission_matrix import address
    from tests.test_permission_matrix_admin import address as admin_address
    from tests.test_permission_matrix_admin import questions

    in_admin = set(questions().values())
    unwanted = tuple(left_out)
    for route in routes():
        if "GET" not in route.methods or any(word in route.pattern for word in unwanted):
            continue
        if route.is_api and not route.pattern.startswith("api/v1/"):
            continue
        if route.is_admin:
            if route.pattern in in_admin:
                yield route.pattern, admin_address(world, route.pattern)
        else:
            yield route.pattern or "/", address(world, route.pattern, "own")[0]


def pages(world: Any, readers: Iterable[str] = READERS) -> Iterator[Page]:
    """Yield every page that one of the readers is shown; what is refused is no page of theirs."""
    with _quiet():
        for pattern, address in addresses(world):
            if pattern.startswith("api/"):
                continue
            for reader in readers:
                answer = world.clients[reader].get(address)
                kind = answer["Content-Type"].partition(";")[0] if answer.status_code == 200 else ""
                if kind in ("text/html", "application/json"):
                    yield Page(reader, pattern, kind == "text/html", answer.content.decode())


def tables(world: Any, reader: str = "root") -> Iterator[Page]:
    """Yield every table of cells (CSV) that a reader may take away."""
    for pattern, address in addresses(world, left_out=()):
        if "csv" in pattern:
            answer = world.clients[reader].get(address)
            if answer.status_code == 200:
                yield Page(reader, pattern, False, answer.getvalue().decode("utf-8-sig"))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the log to itself meanwhile: of all addresses, each reader is refused some."""
    log = logging.getLogger("django.request")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
