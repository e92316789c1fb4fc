"""What is kept how long: classes of data that rooms register, rules by department, and legal holds.

A room says of each class which of its rows may go (``find``) and how (``erase``). Which rule counts and what is
held is worked out here, once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast

from audit.models import DEFAULT_DAYS, LEAST_DAYS, Event, LegalHold, RetentionRule
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind

__all__ = ["DEFAULT_DAYS", "LEAST_DAYS"]
KINDS = {
    "agent": "agents.agent",
    "run": "runs.run",
    "action": "actions.action",
    "department": "agents.department",
}
BY_DEFAULT = f"What is kept where no rule says otherwise: {DEFAULT_DAYS} days"


@dataclass(frozen=True, slots=True)
class Hold:
    """One legal hold as those who erase have to know it; a department comes with all below it."""

    scope: str
    kind: str = ""
    id: str = ""
    departments: frozenset[str] = frozenset()
    begins: date | None = None
    ends: date | None = None

    @property
    def of_kind(self) -> str:
        """Return the kind of what is held, as the ledger names it."""
        return KINDS.get(self.scope, self.kind)

    def within(self, field: str) -> Q:
        """Return the condition that a time lies in the period held."""
        return Q(**{f"{field}__date__gte": self.begins, f"{field}__date__lte": self.ends})


@dataclass(frozen=True, slots=True)
class Reach:
    """Which rows are looked for: older than a time and of some departments, or about one object."""

    before: datetime | None = None
    only: frozenset[str] | None = None
    but: frozenset[str] = frozenset()
    about: Ref | None = None
    holds: tuple[Hold, ...] = ()

    def by_department(self, field: str) -> Q:
        """Return the condition on a field with a department's id; what has none is the company's."""
        if self.only is not None:
            return Q(**{f"{field}__in": sorted(self.only)})
        inside = Q(**{f"{field}__in": sorted(self.but)})
        return ~inside | Q(**{f"{field}__isnull": True}) if self.but else Q()


@dataclass(frozen=True, slots=True)
class DataClass:
    """A class of data. ``find`` never returns what open work needs, what is held, or what is erased already.

    ``at``: the field of its rows by which their age counts. ``part``: of the ledger itself, what of an event.
    ``erase(keys, event)`` runs in the transaction of the event that tells of it. ``after_commit`` does what a
    transaction cannot (bytes on a disk), and is called again by every later erasing until it is done.
    """

    code: str
    words: str
    find: Callable[[Reach], QuerySet[Any]]
    erase: Callable[[Sequence[Any], Event], None]
    at: str
    part: str = ""
    after_commit: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the rows of a class say what they are about: fields by kind of object, times, a department."""

    at: str
    times: tuple[str, ...]
    department: str
    about: Mapping[str, tuple[str, ...]]

    def narrowed(self, found: QuerySet[Any], reach: Reach) -> QuerySet[Any]:
        """Return those rows that are within reach and under no hold."""
        found = found.filter(reach.by_department(self.department))
        for hold in reach.holds:
            covered = self._held(hold)
            if covered is None:  # the rows do not tell: nothing of them goes while it stands
                return found.none()
            # By key: what says nothing of it (null) is not held.
            found = found.exclude(pk__in=found.filter(covered).order_by().values("pk"))
        if reach.before is not None:
            found = found.filter(**{f"{self.at}__lt": reach.before})
        if reach.about is None:
            return found
        concerned = self._of(reach.about.kind, [reach.about.id])
        return found.none() if concerned is None else found.filter(concerned)

    def _held(self, hold: Hold) -> Q | None:
        if hold.scope == "period":
            return _any(hold.within(time) for time in self.times)
        return self._of(hold.of_kind, hold.departments or [hold.id])

    def _of(self, kind: str, ids: Iterable[str]) -> Q | None:
        if kind not in self.about:
            return None
        known = sorted({canonical for one in ids if (canonical := _uuid(one))})
        return _any(Q(**{f"{field}__in": known}) for field in self.about[kind])


def _any(conditions: Iterable[Q]) -> Q:
    found = Q(pk__in=[])
    for condition in conditions:
        found |= condition
    return found


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def keys_of(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the ids of rows as the ledger writes them, to be looked for among its references."""
    return rows.order_by().annotate(as_text=Cast("pk", CharField())).values("as_text")


_classes: dict[str, DataClass] = {}
_departments: list[Callable[[], Mapping[str, str]]] = []
_in_use: dict[str, Callable[[], Q]] = {}
_proposers: list[Callable[[Actor, Ref, str], str]] = []


def register(found: DataClass) -> None:
    """Add a class of data; an AppConfig's ``ready`` calls this. Raise ValueError for a second of a code."""
    if _classes.get(found.code, found) != found:
        raise ValueError(f"{found.code!r} is already: {_classes[found.code].words}")
    _classes[found.code] = found


def registered() -> dict[str, DataClass]:
    """Return every class of data by its code, sorted."""
    return dict(sorted(_classes.items()))


def data_class(code: str) -> DataClass:
    """Return a class of data; raise Refusal ``data_class_unknown``."""
    if code not in _classes:
        raise Refusal(
            "data_class_unknown",
            f"Nothing was changed: {code[:60]!r} is no class of data that this portal keeps.",
            kind=RefusalKind.INVALID,
            next_step=f"Choose one of {', '.join(registered())}.",
        )
    return _classes[code]


def register_departments(parents: Callable[[], Mapping[str, str]]) -> None:
    """Say how the company's departments hang together: each id with that of the one above, empty at the top."""
    _departments[:] = [parents]


def register_proposer(propose: Callable[[Actor, Ref, str], str]) -> None:
    """Say how somebody asks that what is personal of an object is erased; it returns what is said to them."""
    _proposers[:] = [propose]


def propose_erasure(actor: Actor, subject: Ref, reason: str) -> str:
    """Ask a second person to erase what is personal of an object; return what is said to who asks."""
    return _proposers[0](actor, subject, reason)


def register_in_use(name: str, events: Callable[[], Q]) -> None:
    """Say which events open work needs, as a condition; their content is not erased meanwhile."""
    _in_use[name] = events


def register_objects_in_use(kind: str, rows: Callable[[], QuerySet[Any]]) -> None:
    """Say which objects of a kind still wait for somebody: the events about them are needed."""
    register_in_use(kind, lambda: Q(subject_kind=kind, subject_id__in=keys_of(rows())))


def events_in_use() -> Q:
    """Return the condition that open work needs an event."""
    return _any(events() for events in _in_use.values())


def parents() -> Mapping[str, str]:
    """Return each department with the one above."""
    return _departments[0]() if _departments else {}


def below(department: str, tree: Mapping[str, str]) -> frozenset[str]:
    """Return a department with all below it."""
    return frozenset({department, *(one for one in tree if department in _path(one, tree))})


def days_of(code: str, department: str) -> int:
    """Return how many days a class is kept in a department: its own rule, the nearest above, the company's."""
    rules = dict(RetentionRule.objects.filter(data_class=code).values_list("department_id", "days"))
    for one in (*_path(department, parents()), ""):
        if one in rules:
            return rules[one]
    return DEFAULT_DAYS


@dataclass(frozen=True, slots=True)
class Slice:
    """The departments in which one rule counts: ``only`` these, or (of the company) all ``but`` these."""

    days: int
    rule: Ref
    only: frozenset[str] | None
    but: frozenset[str]

    def reach(self, now: datetime, holds: Iterable[Hold]) -> Reach:
        """Return what of it is old enough now."""
        return Reach(now - timedelta(days=self.days), self.only, self.but, holds=tuple(holds))


def slices(code: str) -> list[Slice]:
    """Return how the rules of a class divide the company, so that each department is in exactly one slice."""
    rules = {rule.department_id: rule for rule in RetentionRule.objects.filter(data_class=code)}
    return divided({one: (rule.days, rule.as_ref()) for one, rule in rules.items()}, parents())


def divided(rules: Mapping[str, tuple[int, Ref]], tree: Mapping[str, str]) -> list[Slice]:
    """Return the slices of rules by department (empty: the company) over a tree of departments."""
    own: dict[str, set[str]] = {department: {department} for department in rules if department}
    for one in tree:
        nearest = next((at for at in _path(one, tree) if at in own), "")
        if nearest:
            own[nearest].add(one)
    found = [Slice(*rules[one], frozenset(inside), frozenset()) for one, inside in sorted(own.items())]
    days, rule = rules.get("", (DEFAULT_DAYS, Ref("audit.retentionrule", "", BY_DEFAULT)))
    return [*found, Slice(days, rule, None, frozenset().union(*own.values()))]


def holds() -> tuple[Hold, ...]:
    """Return every hold that stands."""
    tree = parents()
    return tuple(_known(row, tree) for row in LegalHold.objects.filter(ended_at__isnull=True))


def _known(row: LegalHold, tree: Mapping[str, str]) -> Hold:
    inside = below(row.target_id, tree) if row.scope == LegalHold.Scope.DEPARTMENT else frozenset[str]()
    return Hold(row.scope, row.target_kind, row.target_id, inside, row.begins_on, row.ends_on)


def _path(department: str, tree: Mapping[str, str]) -> list[str]:
    """Return a department and those above it, nearest first; a ring ends where it began."""
    found: list[str] = []
    while department and department not in found:
        found.append(department)
        department = tree.get(department, "")
    return found
