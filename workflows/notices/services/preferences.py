"""When a person wants mail is their own choice."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from agents import policies
from agents.models import User
from audit.services import record_event
from audit.vocabulary import Actor
from workflows.notices.choices import How
from workflows.notices.models import Line, Preference
from workflows.notices.policies import due_at
from workflows.tasks.selectors import database_now


@transaction.atomic
def choose_how(*, actor: Actor, how: str) -> Preference:
    """Choose when one is told by mail; what waits to be told follows at once. People only, for themselves.

    It changes nothing of what waits in the inbox. Raises Refusal ``people_only`` for an agent.
    """
    policies.require(policies.may_act_as_person(actor, "choose how they are told"))
    person = User.objects.select_for_update().get(pk=actor.id)
    chosen = Preference(person=person, how=How(how))
    chosen.full_clean(validate_unique=False, validate_constraints=False)
    Preference.objects.update_or_create(person=person, defaults={"how": chosen.how})
    _move(person, chosen.how)
    record_event(
        actor=actor,
        verb="notices.preference_chosen",
        subject=person.as_ref(),
        sentence=f"{actor.label} is told by mail: {chosen.get_how_display().lower()}",
        code=chosen.how,
    )
    return chosen


def _move(person: User, how: str) -> None:
    when = due_at(how, database_now(), timezone.get_default_timezone())
    for line in Line.objects.filter(person=person, mail=None, is_dropped=False):
        line.is_dropped, line.due_at = when is None, when or line.due_at
        line.save(update_fields=["is_dropped", "due_at"])
