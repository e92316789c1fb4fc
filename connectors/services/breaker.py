"""A system that fails several times in a row is left alone for a while; then one call may try."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit.services import record_event
from audit.vocabulary import Actor
from connectors.exceptions import NotSent
from connectors.models import System, SystemHealth
from connectors.registry import tell_system_back

FRESH = timedelta(seconds=10)
BREAKER = Actor.system("breaker")


def require_closed(system: System) -> None:
    """Raise NotSent ``breaker_open`` while calls are held back; after the cooldown, let exactly one through."""
    health = SystemHealth.objects.filter(system=system).first()
    if health is None or health.opened_at is None:
        return
    now = timezone.now()
    cooldown = timedelta(seconds=system.breaker_cooldown)
    if now < health.opened_at + cooldown or not _take_trial(system, now - cooldown):
        raise NotSent(
            "breaker_open",
            f"{system.name} failed {health.consecutive_failures} times in a row, so calls are held back for "
            f"{system.breaker_cooldown} seconds at a time. Nothing was sent. Try again later.",
        )


def _take_trial(system: System, before: object) -> bool:
    free = Q(trial_at=None) | Q(trial_at__lt=before)
    return bool(SystemHealth.objects.filter(free, system=system).update(trial_at=timezone.now()))


def record_success(system: System) -> None:
    """Note that the system answered; closes the breaker. Written only when it says something new."""
    now = timezone.now()
    fresh = SystemHealth.objects.filter(system=system, consecutive_failures=0, last_ok_at__gt=now - FRESH)
    if fresh.exists():
        return
    with transaction.atomic():
        health = _locked(system)
        was_open = health.opened_at is not None
        health.consecutive_failures, health.opened_at, health.trial_at = 0, None, None
        health.last_ok_at = now
        health.save()
        if was_open:
            _record(system, "connectors.breaker_closed", f"{system.name} answers again; calls go through.")
            tell_system_back(system.pk)


def record_failure(system: System, error: str) -> None:
    """Note that the system did not answer as it should; opens the breaker at the threshold."""
    now = timezone.now()
    with transaction.atomic():
        health = _locked(system)
        health.consecutive_failures += 1
        health.last_failure_at, health.last_error, health.trial_at = now, error[:300], None
        was_open = health.opened_at is not None
        if was_open or health.consecutive_failures >= system.breaker_threshold:
            health.opened_at = now
        health.save()
        if health.opened_at and not was_open:
            _record(
                system,
                "connectors.breaker_opened",
                f"{system.name} failed {health.consecutive_failures} times in a row; calls are held back.",
            )


def _locked(system: System) -> SystemHealth:
    SystemHealth.objects.get_or_create(system=system)
    return SystemHealth.objects.select_for_update().get(system=system)


def _record(system: System, verb: str, sentence: str) -> None:
    record_event(actor=BREAKER, verb=verb, subject=system.as_ref(), sentence=sentence, system_id=str(system.pk))
