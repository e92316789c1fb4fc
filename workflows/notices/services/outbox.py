"""Write down that people are to be told, with what they are told of; find later whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from workflows.actions.models import Action
from workflows.notices import dispatch, selectors
from workflows.notices.choices import Why
from workflows.notices.models import Channel, Line, Notice, Post
from workflows.notices.policies import due_at, message_of, outcome_of
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now

BATCH = 100


def note_asked(task: Task) -> None:
    """Note, in the transaction that asks people, that they are to be told."""
    _note(task, Why.ASKED)


def note_reminded(task: Task, deadline: str) -> None:
    """Note, in the transaction that reminds the people of a task, that they are to be told."""
    if task.kind != Task.Kind.AGENT_WORK:
        _note(task, Why.REMINDED)


def note_ended(actions: Sequence[Action]) -> None:
    """Note, in the transaction in which actions end, what their agents' own programs are told.

    It says what the agent reads over the API: state, code, sentence and the next legal move, never a result.
    """
    channels = {it.agent_id: it for it in selectors.channels_of_agents({one.agent_id for one in actions})}
    for action in actions:
        if channel := channels.get(action.agent_id):
            _to_agent(channel, action)


def spread_notices() -> int:
    """Find for each new notice who is told of it and where; return how many notices there were.

    A notice of what was decided meanwhile comes to nothing.
    """
    keys = Notice.objects.filter(spread_at=None).order_by("pk").values_list("pk", flat=True)[:BATCH]
    return sum(_spread(key) for key in list(keys))


def _note(task: Task, why: Why) -> None:
    if selectors.is_anybody_told():
        Notice.objects.create(task=task, why=why)
        transaction.on_commit(dispatch.hint_tell)


@transaction.atomic
def _spread(notice_id: UUID) -> int:
    notice = (
        Notice.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("task")
        .filter(pk=notice_id, spread_at=None)
        .first()
    )
    if notice is None:
        return 0
    notice.spread_at = database_now()
    notice.save(update_fields=["spread_at"])
    if notice.task.state in Task.WAITING:
        _to_people(notice, notice.spread_at)
        _to_channels(notice, notice.spread_at)
    return 1


def _to_people(notice: Notice, now: datetime) -> None:
    if not selectors.mail_is_set_up():
        return
    zone = timezone.get_default_timezone()
    for person in selectors.who_may_act(notice.task):
        when = due_at(selectors.how_of(person), now, zone)
        if when is not None:
            Line.objects.create(notice=notice, person=person, due_at=when)


def _to_agent(channel: Channel, action: Action) -> None:
    post = Post(channel=channel)
    told = {"action": str(action.pk), "operation": action.operation_code, "state": str(action.state)}
    if follows := action.replaced_by:
        told["replaced_by"] = str(follows.pk)
    post.body = outcome_of(
        message_id=str(post.pk),
        at=database_now().isoformat(),
        label=action.label,
        link=selectors.address_of(f"/api/v1/actions/{action.pk}"),
        data={**told, "code": action.code, "sentence": action.sentence, "next_step": action.next_step},
    )
    post.save(force_insert=True)
    transaction.on_commit(dispatch.hint_tell)


def _to_channels(notice: Notice, now: datetime) -> None:
    for channel in selectors.channels_of(notice.task):
        post = Post(channel=channel, notice=notice)
        item = selectors.item_of(notice)
        post.body = message_of(item, message_id=str(post.pk), at=now.isoformat())
        post.save(force_insert=True)
