"""The clock of employment: what is overdue or reached falls, what is due is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents import selectors
from agents.decision.employment import Terms, is_due, is_overdue
from agents.models import Agent, User
from agents.services import attesting, probation, sponsors
from agents.services.lifecycle import locked
from workflows.staffing.services import asking

logger = logging.getLogger(__name__)


def sweep_employment() -> dict[str, int]:
    """Go through every agent at work once; return what was done. Twice at once changes nothing but time.

    Each agent is asked again under its lock; one that fails never keeps the others from their turn.
    """
    done = {"sponsors_gone": _guarded(_drop_orphans)}
    employed = list(Agent.objects.filter(lifecycle=Agent.Lifecycle.ACTIVE).order_by("pk"))
    terms, today = selectors.terms_of_agents(employed), timezone.now().date()
    for agent in employed:
        for name, duty in _duties(agent, terms[agent.pk], today).items():
            done[name] = done.get(name, 0) + _guarded(duty)
    return done


def _duties(agent: Agent, terms: Terms, today: date) -> dict[str, Callable[[], int]]:
    """Return what may have to be done about an agent as it was read."""
    found: dict[str, Callable[[], int]] = {}
    if is_overdue(agent.attest_by, terms.attest_grace_days, today):
        found["overdue"] = lambda: int(attesting.drop_overdue(agent_id=agent.pk))
    if terms.watches:
        found["breaches"] = lambda: int(probation.demote_on_breach(agent_id=agent.pk) is not None)
    if is_due(agent.attest_by, terms.attest_notice_days, today):
        found["attestations_asked"] = lambda: _ask(agent.pk, asking.ask_attestation)
    if agent.probation_until is not None and agent.probation_until <= today:
        found["probations_asked"] = lambda: _ask(agent.pk, asking.ask_about_probation)
    return found


def _drop_orphans() -> int:
    """Do for sponsors who left by another way than the page of people what that page does."""
    gone = User.objects.filter(is_active=False, sponsored_agents__lifecycle=Agent.Lifecycle.ACTIVE).distinct()
    return sum(_drop_agents_of(person) for person in gone)


def _drop_agents_of(person: User) -> int:
    with transaction.atomic():
        why = "Found by the portal."
        return sponsors.drop_agents_of(actor=probation.PORTAL, person=person, reason=why)


def _ask(agent_id: UUID, ask: Callable[[Agent], object]) -> int:
    with transaction.atomic():
        agent = Agent.objects.filter(pk=agent_id, lifecycle=Agent.Lifecycle.ACTIVE).first()
        return int(agent is not None and ask(locked(agent)) is not None)


def _guarded(duty: Callable[[], int]) -> int:
    try:
        return duty()
    except Exception:
        logger.exception("The clock of employment could not do its duty.")
        return 0
