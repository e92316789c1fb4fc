"""What is there now: read from the system when a person asks for it, by its declared look-up, and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from agents.models import User
from audit.services import refusals_recorded
from audit.vocabulary import Actor, Refusal
from connectors.choices import Purpose
from connectors.services import read_back
from connectors.vocabulary import LookUp, Probe
from workflows.actions.models import Action
from workflows.approvals.models import Approval
from workflows.pages.access import STATUS_OF_KIND, for_people
from workflows.pages.inbox import detail, find
from workflows.pages.voters import voters_of
from workflows.pages.weighing import may_look
from workflows.pages.words import humanize, in_words

MOST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Change:
    """One value as it is in the system now, and as it would be."""

    name: str
    now: str
    after: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found: the values that would change, or in words why there is nothing to compare."""

    words: str
    tone: str = ""
    changes: tuple[Change, ...] = ()


@require_POST
@for_people
def read_now(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Read what the request is about from its system, as the person who asks. It changes nothing there."""
    approval = find(request, approval_id)
    actor = _user(request).as_actor()
    try:
        with refusals_recorded(actor=actor, subject=approval.as_ref(), **approval.event_refs()):
            action = _readable(approval, _user(request))
        seen = _seen(action, actor)
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return detail(request, approval, status=status, refused=refusal.in_full())
    return detail(request, approval, seen=seen)


def _readable(approval: Approval, user: User) -> Action:
    if not voters_of(approval, user):
        raise Refusal("not_an_approver", "Nothing was read: only who could vote on it now reads its system.")
    found = Action.objects.select_related("operation__system", "operation__current_revision", "agent")
    action = None
    if approval.subject_kind == "actions.action":
        action = found.select_related("operation__lookup_operation__current_revision").get(
            pk=approval.subject_id
        )
    if action is None or not may_look(approval, action):
        message = (
            "Nothing was read: it is decided, a rule hides values of it, or no look-up is declared for it."
        )
        raise Refusal("nothing_to_read", message, next_step="Look in the system itself.")
    return action


def _seen(action: Action, actor: Actor) -> Seen:
    probe = Probe(
        actor=actor,
        purpose=Purpose.READ_BACK,
        agent_id=str(action.agent_id),
        action_id=str(action.pk),
        correlation_id=action.correlation_id,
    )
    found = read_back(probe=probe, operation=action.target, arguments=action.arguments)
    return in_words_of(found, action.target.system.name)


def in_words_of(found: LookUp, system: str) -> Seen:
    """Return what a look-up found in words, with the values that would change."""
    if found.result == "unknown":
        why = found.error_message or _("it gave no clear answer")
        return Seen(_("%(system)s could not be read now: %(why)s") % {"system": system, "why": why}, "bad")
    if found.result == "absent":
        return Seen(_("%(system)s has nothing of it yet: all of it would be new.") % {"system": system}, "info")
    changes = tuple(_change(one) for one in found.differences[:MOST_SHOWN])
    if changes:
        return Seen(_("In %(system)s now, and after:") % {"system": system}, changes=changes)
    return Seen(
        _("%(system)s has it already as it is asked: it may have been done before.") % {"system": system},
        "wait",
    )


def _change(one: Mapping[str, Any]) -> Change:
    name = str(one["pointer"]).rpartition("/")[2]
    return Change(humanize(name), in_words(one["found"]), in_words(one["expected"]))


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
