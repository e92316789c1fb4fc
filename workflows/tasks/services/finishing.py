"""Agents that finish what they have and are paused then: their time is kept here."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from agents.models import Agent
from agents.services import lifecycle
from audit.vocabulary import Actor
from workflows.tasks.models import Task
from workflows.tasks.services.revoking import take_back_all

BATCH = 100


def pause_finished() -> int:
    """Pause the agents that were told to finish and have, or whose time is over; return how many.

    What is still in their hands then is taken back and offered to others. Run by the sweeper.
    """
    has = Task.objects.filter(claimed_by=OuterRef("user_id"), state=Task.State.CLAIMED)
    done = Agent.objects.filter(~Exists(has) | Q(pause_at__lte=Now()), pause_at__isnull=False)
    paused = 0
    for agent_id in done.order_by("pause_at").values_list("pk", flat=True)[:BATCH]:
        if agent := lifecycle.pause_finished(agent_id):
            take_back_all(actor=Actor.system("sweeper"), agent=agent, reason="Its time to finish was over.")
            paused += 1
    return paused
