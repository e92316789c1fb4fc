"""What was decided in a run, by rules, by people and by operators, with the reasons they gave; oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from agents.models import User
from audit.services.evidence.cells import length_words
from workflows.actions.models import Action
from workflows.actions.selectors import edits_of
from workflows.actions.selectors import visible_to as visible_actions
from workflows.approvals.models import Approval, Vote
from workflows.approvals.selectors import visible_to as visible_approvals
from workflows.pages.words import Tag, state_tag
from workflows.runs.choices import RunVerb, StepVerb
from workflows.runs.models import Intervention, Run

MOST = 200  # of each kind: actions, interventions
VERDICTS = {
    "allow": ("verified_user", "good"),
    "hold": ("front_hand", "wait"),
    "deny": ("block", "bad"),
    "approve": ("thumb_up", "good"),
    "reject": ("thumb_down", "bad"),
}
OPEN = Approval.State.PENDING


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. ``kind``: rule, vote, lapsed, waits, edit, operator; the rest is words of others."""

    at: datetime
    kind: str
    tag: Tag
    who: str
    about: str
    reason: str = ""
    more: list[str] = field(default_factory=list)
    link: str = ""
    link_words: str = ""


def decisions_of(run: Run, user: User) -> list[Decision]:
    """Return the decisions of a run that this person may see, oldest first; at most ``MOST`` actions count."""
    actions = list(_actions(run, user)[:MOST])
    approvals = _approvals(actions)
    wanted = list(approvals)
    shown = set(visible_approvals(user).filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()
    found = [
        *(one for action in actions for one in _of_action(action)),
        *(one for approval in approvals.values() for one in _of_approval(approval, approval.pk in shown)),
        *(_of_operator(one) for one in _interventions(run)),
    ]
    return sorted(found, key=lambda one: one.at)


def told(run: Run, user: User) -> dict[str, Any]:
    """Return what the tab shows, newest first."""
    found = decisions_of(run, user)
    return {"decisions": list(reversed(found)), "is_cut": len(found) >= MOST, "most": MOST}


def _actions(run: Run, user: User) -> Any:
    found = visible_actions(user).filter(correlation_id=str(run.pk))
    return found.select_related("replaces", "edited_by", "standing").order_by("requested_at")


def _approvals(actions: Sequence[Action]) -> dict[Any, Approval]:
    keys = [action.approval_id for action in actions if action.approval_id]
    found = Approval.objects.filter(pk__in=keys).prefetch_related(
        "approver_groups", "votes__user", "votes__on_behalf_of", "votes__through"
    )
    return {approval.pk: approval for approval in found}


def _of_action(action: Action) -> Iterator[Decision]:
    # What was held is told with the question to people: the verdict that stands now came after them.
    if action.verdict and not (action.verdict == "hold" and action.approval_id):
        icon, tone = VERDICTS.get(action.verdict, ("rule", ""))
        version = [_("By version %(number)s of the policies.") % {"number": action.policy_version}]
        advance = [_("Approved in advance: %(words)s") % {"words": action.standing}] if action.standing else []
        yield Decision(
            at=action.decided_at or action.requested_at,
            kind="rule",
            tag=Tag(str(_words_of(action.verdict)), icon, tone),
            who=_("The rules"),
            about=action.label,
            reason=_sentence(action),
            more=[*(version if action.policy_version else []), *advance],
            link=reverse("action", args=[action.pk]),
            link_words=_("Its story"),
        )
    for edit in edits_of(action)[:1]:
        yield Decision(
            at=edit.at,
            kind="edit",
            tag=Tag(_("Changed by a person"), "edit_note", "info"),
            who=edit.who,
            about=action.label,
            reason=edit.reason,
            more=[one.words for one in edit.differences],
            link=reverse("action", args=[action.pk]),
            link_words=_("Its story"),
        )


def _words_of(verdict: str) -> str:
    return {"allow": _("Allowed"), "hold": _("Held for people"), "deny": _("Denied")}.get(verdict, verdict)


def _sentence(action: Action) -> str:
    """Return why it was decided so, as the decision said it, else where the action stands."""
    explanation = action.explanation if isinstance(action.explanation, dict) else {}
    return str(explanation.get("sentence") or action.sentence)


def _of_approval(approval: Approval, is_shown: bool) -> Iterator[Decision]:
    link = reverse("inbox-approval", args=[approval.pk]) if is_shown else ""
    votes = list(approval.votes.all())
    yield _of_hold(approval)
    for vote in votes:
        yield _of_vote(vote, approval, link)
    if approval.state == OPEN:
        groups = _(" and ").join(group.name for group in approval.approver_groups.all())
        yield Decision(
            at=approval.created_at,
            kind="waits",
            tag=Tag(_("Waits for people"), "hourglass_top", "wait"),
            who=groups or _("People"),
            about=approval.subject_label,
            link=link,
            link_words=_("Open the question"),
        )
    elif approval.decided_at and not votes:
        yield Decision(
            at=approval.decided_at,
            kind="lapsed",
            tag=state_tag(approval.state, approval.get_state_display()),
            who=_("Nobody decided"),
            about=approval.subject_label,
            reason=approval.reason,
            link=link,
            link_words=_("Open the question"),
        )


def _of_hold(approval: Approval) -> Decision:
    icon, tone = VERDICTS["hold"]
    version = [_("By version %(number)s of the policies.") % {"number": approval.policy_version}]
    return Decision(
        at=approval.created_at,
        kind="rule",
        tag=Tag(_words_of("hold"), icon, tone),
        who=_("The rules"),
        about=approval.subject_label,
        reason=approval.sentence,
        more=version if approval.policy_version else [],
    )


def _of_vote(vote: Vote, approval: Approval, link: str) -> Decision:
    icon, tone = VERDICTS[vote.verdict]
    waited = length_words((vote.at - approval.created_at).total_seconds())
    more = [_("Decided after %(time)s.") % {"time": waited}]
    if vote.on_behalf_of is not None:
        more.append(_("In the place of %(name)s.") % {"name": vote.on_behalf_of})
    return Decision(
        at=vote.at,
        kind="vote",
        tag=Tag(_("Approved") if vote.verdict == "approve" else _("Rejected"), icon, tone),
        who=str(vote.user),
        about=approval.subject_label,
        reason=vote.reason,
        more=more,
        link=link,
        link_words=_("Open the question"),
    )


def _interventions(run: Run) -> list[Intervention]:
    found = Intervention.objects.filter(run=run).select_related("by", "step")
    return list(found.order_by("-pk")[:MOST])


def _of_operator(one: Intervention) -> Decision:
    labels = {**dict(RunVerb.choices), **(dict(StepVerb.choices) if one.step else {})}
    return Decision(
        at=one.at,
        kind="operator",
        tag=Tag(str(labels.get(one.verb, one.verb)), "build", "info"),
        who=str(one.by),
        about=one.step.name if one.step else _("The whole run"),
        reason=one.reason,
        more=[str(change.get("sentence", "")) for change in one.changes if isinstance(change, dict)],
    )
