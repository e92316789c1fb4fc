"""The heartbeat of a process: that it lives, and which stops the decisions made in it obey."""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from agents.models import Acknowledgement, EnforcementPoint, Stop
from agents.selectors import authority_snapshot
from agents.selectors.containment import silent_after
from agents.services.liveness import born, has_ended, place
from audit.services import record_event
from audit.vocabulary import Actor

Outcome = Acknowledgement.Outcome
# Seconds after which a silent process is given up: its row goes, and stops say that it never answered.
GIVEN_UP_SECONDS = 600
ENDING_SECONDS = 3

logger = logging.getLogger(__name__)


class Heartbeat:
    """Beats in a thread with a connection of its own; start it after forking, once in a process.

    One small UPDATE every ``settings.HEARTBEAT_SECONDS``. Only when authority has changed it looks for stops
    that this process has not acknowledged. While PostgreSQL is away it is silent, and others see that.
    """

    def __init__(self, kind: str) -> None:
        self.point = EnforcementPoint(
            pk=uuid7(), kind=kind, host=socket.gethostname()[:200], pid=os.getpid(), place=place(), born=born()
        )
        self._version: int | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Say that this process ends, and stop beating."""
        self._ending.set()
        self._thread.join(ENDING_SECONDS)

    def beat(self) -> None:
        """Beat once; acknowledge what this process's own decisions obey by now."""
        version = _touch(self.point.pk)
        if version is None:  # the first beat, or one of a process that had been given up
            self._version = None
            self.point.save(force_insert=True)
            version = _touch(self.point.pk)
        if version != self._version:
            acknowledge(self.point)
            self._version = version

    def _run(self) -> None:
        while not self._ending.is_set():
            self._beat_or_log()
            self._ending.wait(settings.HEARTBEAT_SECONDS)
        with suppress(DatabaseError):
            retire(self.point.pk, Outcome.ENDED)
        connection.close()

    def _beat_or_log(self) -> None:
        try:
            self.beat()
        except Exception as error:  # noqa: BLE001 - a heart that stops beating would be taken for a dead process
            logger.warning("The heartbeat was not written: %s", str(error).strip().splitlines()[:1])
            self._version = None
            connection.close()


def acknowledge(point: EnforcementPoint) -> None:
    """Record the stops in the snapshot of this very process: its next decision refuses what they hit."""
    unseen = list(_unseen_by(point))
    if not unseen:
        return
    snapshot = authority_snapshot()
    obeyed = {facts.stop_id for facts in snapshot.stops}
    reached = [stop for stop in unseen if str(stop.pk) in obeyed and stop.version <= snapshot.version]
    _write(point, reached, Outcome.SEEN)


def sweep_points() -> int:
    """Remove the rows of silent processes that have ended or are given up; return how many.

    A process of this very machine that is gone is proved to have ended. Of another nobody can tell: it is shown
    as silent until it is given up, and stops keep the mark that it never answered.
    """
    removed = 0
    for point in EnforcementPoint.objects.filter(beat_at__lt=Now() - silent_after()):
        if has_ended(point):
            removed += retire(point.pk, Outcome.ENDED)
        elif EnforcementPoint.objects.filter(pk=point.pk, beat_at__lt=Now() - _given_up_after()).exists():
            removed += retire(point.pk, Outcome.LOST)
    return removed


@transaction.atomic
def retire(point_id: UUID, outcome: str) -> bool:
    """Remove a process and tell every stop that it never acknowledged what became of it."""
    point = EnforcementPoint.objects.select_for_update(skip_locked=True).filter(pk=point_id).first()
    if point is None:
        return False
    _write(point, list(_unseen_by(point)), outcome)
    if outcome == Outcome.LOST:
        record_event(
            actor=Actor.system("sweeper"),
            verb="agents.process_lost",
            subject=point.as_ref(),
            sentence=f"{point} was given up: it did not answer since {point.beat_at:%Y-%m-%d %H:%M:%S} UTC.",
        )
    point.delete()
    return True


def _touch(point_id: UUID) -> int | None:
    """Write the beat and return the authority version it saw; None when the process has no row."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agents_enforcementpoint SET beat_at = clock_timestamp() WHERE id = %s"
            " RETURNING coalesce((SELECT version FROM agents_authorityversion WHERE id = 1), 0)",
            [point_id],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _unseen_by(point: EnforcementPoint) -> QuerySet[Stop]:
    seen = Acknowledgement.objects.filter(
        stop=OuterRef("pk"),
        kind=Acknowledgement.Kind.PROCESS,
        key=str(point.pk),
        outcome=Outcome.SEEN,
        version__gte=OuterRef("version"),
    )
    return Stop.objects.filter(~Exists(seen), lifted_at__isnull=True)


def _given_up_after() -> timedelta:
    return timedelta(seconds=GIVEN_UP_SECONDS)


def _write(point: EnforcementPoint, reached: list[Stop], outcome: str) -> None:
    rows = [
        Acknowledgement(
            stop=stop,
            kind=Acknowledgement.Kind.PROCESS,
            key=str(point.pk),
            label=str(point),
            outcome=outcome,
            version=stop.version,
            heard_at=point.beat_at if outcome == Outcome.LOST else None,
        )
        for stop in reached
    ]
    Acknowledgement.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["stop", "kind", "key"],
        update_fields=["label", "outcome", "version", "heard_at", "at"],
    )
