"""What of a stop is proved: asked for at one time, confirmed at another, and by whom not yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

from agents import registry
from agents.models import Acknowledgement, EnforcementPoint, Stop
from agents.selectors.affected import agents_in_scope

Kind, Outcome = Acknowledgement.Kind, Acknowledgement.Outcome
# After so many missed beats a process counts as silent.
MISSED_BEATS = 5
SHOWN_AGENTS = 1000


class PartState(StrEnum):
    """How far one part of a stop is proved."""

    CONFIRMED = "confirmed"
    WAITING = "waiting"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Part:
    """One place where a stop has to arrive. ``at``: when it was confirmed, or None while it is not."""

    kind: str
    label: str
    state: PartState
    sentence: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AgentReached:
    """One agent in the scope, and when a call of it was first refused; None: it has not called since."""

    id: str
    name: str
    refused_at: datetime | None


@dataclass(frozen=True, slots=True)
class Containment:
    """Everything that is known about where a stop has arrived.

    ``confirmed_at``: when all of it was first found proved. Tokens are no part of that: they are refused by the
    database from the commit on; ``agents`` says who has met it.
    """

    requested_at: datetime
    confirmed_at: datetime | None
    parts: tuple[Part, ...]
    agents: tuple[AgentReached, ...]

    @property
    def is_proved(self) -> bool:
        """Tell whether every part is confirmed now."""
        return all(part.state is PartState.CONFIRMED for part in self.parts)

    @property
    def open_parts(self) -> list[Part]:
        """Return what is not confirmed."""
        return [part for part in self.parts if part.state is not PartState.CONFIRMED]


def containment_of(stop: Stop) -> Containment:
    """Return what is proved about a stop by rows that the places concerned wrote themselves."""
    found = {(it.kind, it.key): it for it in stop.acknowledgements.filter(version__gte=stop.version)}
    whole = found.get((Kind.WHOLE, ""))
    return Containment(
        requested_at=stop.tightened_at or stop.raised_at,
        confirmed_at=whole.at if whole else None,
        parts=(*_processes(found), *_duties(stop, found)),
        agents=tuple(_agents(stop, found)),
    )


def living_points() -> QuerySet[EnforcementPoint]:
    """Return the processes that are known, each with ``is_silent``."""
    silent = ExpressionWrapper(Q(beat_at__lt=Now() - silent_after()), output_field=BooleanField())
    return EnforcementPoint.objects.annotate(is_silent=silent)


def silent_after() -> timedelta:
    """Return after which time without a beat a process counts as silent."""
    return timedelta(seconds=MISSED_BEATS * settings.HEARTBEAT_SECONDS)


Found = dict[tuple[str, str], Acknowledgement]


def _processes(found: Found) -> list[Part]:
    points = {str(point.pk): point for point in living_points()}
    told = [row for (kind, key), row in found.items() if kind == Kind.PROCESS and key not in points]
    parts = [_of_living(point, found.get((Kind.PROCESS, key))) for key, point in points.items()]
    parts += [_of_gone(row) for row in told]
    return parts or [_process("The portal", "no process of the portal has reported in", silent=True)]


def _of_living(point: EnforcementPoint, row: Acknowledgement | None) -> Part:
    if row and row.outcome == Outcome.SEEN:
        return Part(Kind.PROCESS, str(point), PartState.CONFIRMED, "has seen it", row.at)
    since = f"{point.beat_at:%H:%M:%S} UTC"
    if point.is_silent:  # type: ignore[attr-defined]
        return _process(str(point), f"{point} has not answered since {since}", silent=True)
    return _process(str(point), f"{point} answered last at {since} and is about to look")


def _of_gone(row: Acknowledgement) -> Part:
    if row.outcome != Outcome.LOST:
        words = "had seen it, and has ended" if row.outcome == Outcome.SEEN else "has ended"
        return Part(Kind.PROCESS, row.label, PartState.CONFIRMED, words, row.at)
    since = f"{row.heard_at:%H:%M:%S} UTC" if row.heard_at else "it began"
    words = f"{row.label} has not answered since {since} and was given up at {row.at:%H:%M:%S} UTC"
    return _process(row.label, words, silent=True)


def _process(label: str, words: str, *, silent: bool = False) -> Part:
    state = PartState.SILENT if silent else PartState.WAITING
    return Part(Kind.PROCESS, label, state, f"not confirmed: {words}")


def _duties(stop: Stop, found: Found) -> Iterator[Part]:
    for duty in registry.stop_duties():
        row = found.get((Kind.DUTY, duty.name))
        if row is None or row.outcome != Outcome.DONE:
            left = duty.remaining(stop)
            yield Part(
                Kind.DUTY,
                duty.label,
                PartState.WAITING,
                f"not confirmed: {left} {duty.left}" if left else "not confirmed yet",
            )
        else:
            words = f"{row.count} taken back" if row.count else "none is left"
            yield Part(Kind.DUTY, duty.label, PartState.CONFIRMED, words, row.at)


def _agents(stop: Stop, found: Found) -> Iterator[AgentReached]:
    if stop.stage != Stop.Stage.STOP:
        return
    scope = agents_in_scope(stop.scope_kind, stop.scope_id)
    for key, name in scope.values_list("pk", "name")[:SHOWN_AGENTS]:
        row = found.get((Kind.AGENT, str(key)))
        yield AgentReached(str(key), name, row.at if row else None)
