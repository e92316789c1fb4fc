"""Sections, tables and columns of an evidence pack, and the registry that rooms add theirs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Q

Cell = str | int | float | bool | datetime | list[str] | None


class Kind(StrEnum):
    """How the values of a column are read."""

    TEXT = "text"
    NUMBER = "number"
    MOMENT = "moment"  # a time, in UTC
    SECONDS = "seconds"
    YES_NO = "yes_no"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a pack is about: from ``since`` on, before ``until``; some departments, or None for the company.

    ``departments`` and ``agents`` are ids as text: the departments asked for with all below them, and the
    agents that work there when the pack is built.
    """

    since: datetime
    until: datetime
    departments: frozenset[str] | None = None
    agents: frozenset[str] | None = None

    def within(self, column: str) -> Q:
        """Return the condition that a time lies in the period."""
        return Q(**{f"{column}__gte": self.since, f"{column}__lt": self.until})

    def holds(self, at: datetime | None) -> bool:
        """Say whether a time lies in the period."""
        return at is not None and self.since <= at < self.until

    def of_departments(self, column: str) -> Q:
        """Return the condition that the id of a department is among those asked for."""
        return Q() if self.departments is None else Q(**{f"{column}__in": sorted(self.departments)})

    def of_agents(self, column: str) -> Q:
        """Return the condition that the id of an agent is one of those departments."""
        return Q() if self.agents is None else Q(**{f"{column}__in": sorted(self.agents)})

    def has_agent(self, agent_id: object) -> bool:
        """Say whether an agent is one of those departments."""
        return self.agents is None or str(agent_id) in self.agents

    def has_department(self, department_id: object) -> bool:
        """Say whether a department is among those asked for."""
        return self.departments is None or str(department_id) in self.departments


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name for machines, its heading for people, how its values are read."""

    code: str
    title: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a pack. ``code`` is ``section.table``; ``says`` is what it shows, in one sentence.

    ``rows(scope)`` yields rows in an order that is the same for the same data, each as long as ``columns``; it
    reads as it goes, so that a long period needs no more memory than a short one.
    ``whole_company`` says that it cannot be narrowed to a department.
    """

    code: str
    title: str
    says: str
    columns: tuple[Column, ...]
    rows: Callable[[Scope], Iterable[Sequence[Cell]]]
    empty: str = "Nothing in this period."
    whole_company: bool = False

    @property
    def section(self) -> str:
        """Return the code of its section."""
        return self.code.partition(".")[0]

    @property
    def name(self) -> str:
        """Return what its files are called, without an ending."""
        return self.code.replace(".", "-")


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter of the pack."""

    code: str
    title: str
    says: str


SECTIONS = (
    Section(
        "agents", "Agents and who answers for them", "Which agents there were, whose they are, what changed."
    ),
    Section(
        "authority", "Authority and its changes", "What agents were given leave for, and by which two people."
    ),
    Section("access", "Access review", "Who may decide, administer and see; what was granted and not used."),
    Section("approvals", "Approvals", "What people were asked, how they decided, how long they took."),
    Section("interventions", "Interventions", "Where people stopped, changed or took over what agents did."),
    Section("drills", "Drills", "Stops that were raised as an exercise, and how long they took to arrive."),
    Section("policies", "Rules in force", "Every version of every rule that was in force, in words."),
    Section(
        "incidents", "Incidents and doubts", "What went wrong or could not be told, and what became of it."
    ),
    Section("retention", "Retention and erasure", "How long what is kept, and what was erased."),
    Section("systems", "Systems and accounts", "What agents can reach, and as whom. Keys are never shown."),
    Section("numbers", "Numbers", "How much was asked for, allowed, held, denied, done, failed and in doubt."),
    Section("ledger", "The ledger and its verification", "Whether the records themselves can be relied on."),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked about the ledger: ``passed`` is None where it could not be."""

    name: str
    passed: bool | None
    detail: str


Verifier = Callable[[Scope], Iterable[Check]]
Resolver = Callable[[Sequence[str]], tuple[frozenset[str], frozenset[str]]]

_tables: dict[str, Table] = {}
_verifiers: dict[str, Verifier] = {}
_resolvers: list[tuple[Resolver, Callable[[], list[tuple[str, str]]]]] = []
_company: list[Callable[[], str]] = []


def register(*tables: Table) -> None:
    """Add tables; an AppConfig's ``ready`` calls this.

    Raise ValueError for an unknown section, or a code that stands for another table already.
    """
    known = {section.code for section in SECTIONS}
    for table in tables:
        if table.section not in known:
            raise ValueError(f"{table.code!r} is in no section of a pack: {', '.join(sorted(known))}.")
        if _tables.get(table.code, table) != table:
            raise ValueError(f"{table.code!r} is already: {_tables[table.code].title}")
        _tables[table.code] = table


def registered() -> dict[str, list[Table]]:
    """Return every section's tables in the order in which they are shown."""
    found: dict[str, list[Table]] = {section.code: [] for section in SECTIONS}
    for table in _tables.values():
        found[table.section].append(table)
    return found


def register_verifier(name: str, verifier: Verifier) -> None:
    """Add checks of the ledger for a period to the verification report. Raise ValueError for a name taken."""
    if _verifiers.get(name, verifier) is not verifier:
        raise ValueError(f"There is already a verifier {name!r}.")
    _verifiers[name] = verifier


def verifiers() -> dict[str, Verifier]:
    """Return the verifiers by name."""
    return dict(_verifiers)


def register_departments(resolver: Resolver, every: Callable[[], list[tuple[str, str]]]) -> None:
    """Say how codes of departments become ids: theirs with all below, and those of the agents there.

    The resolver raises Refusal for a code that nobody has; ``every`` returns all codes with their names.
    """
    _resolvers[:] = [(resolver, every)]


def departments() -> list[tuple[str, str]]:
    """Return the departments that a pack can be narrowed to: code and name."""
    return _resolvers[0][1]()


def resolve_departments(codes: Sequence[str]) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """Return the ids that codes stand for; None twice for no codes: the whole company."""
    if not codes:
        return None, None
    return _resolvers[0][0](codes)


def register_company(name: Callable[[], str]) -> None:
    """Say where the name of the company is read from."""
    _company[:] = [name]


def company() -> str:
    """Return the name of the company that a pack is about."""
    return _company[0]()


def lines(*parts: str) -> list[str]:
    """Return the parts that say something: a cell of several lines."""
    return [part for part in parts if part]
