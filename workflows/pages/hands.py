"""Who has a request in hand, whether it was put off, and what its answers are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agents.decision.money import major_to_minor
from agents.models import User
from audit.wording import said
from connectors.policies.schemas import plain_text
from workflows.actions.models import Action
from workflows.actions.selectors import amount_words
from workflows.approvals.models import Approval, Vote
from workflows.pages.risk import Risk
from workflows.tasks.selectors import holder_of, snoozes_of

LONGEST_TYPED = 60
# How long something can be put off with one click; any other time is chosen.
SNOOZES = (
    ("1", gettext_lazy("an hour")),
    ("4", gettext_lazy("4 hours")),
    ("24", gettext_lazy("a day")),
    ("72", gettext_lazy("3 days")),
)


@dataclass(frozen=True, slots=True)
class Hands:
    """Who has it now, until when; and until when its reader has put it off."""

    holder: User | None
    is_mine: bool
    until: datetime | None
    snoozed_until: datetime | None
    is_others: bool


def hands_of(approval: Approval, user: User) -> Hands:
    """Return who has an approval in hand. Where several people must agree, nobody has it alone."""
    if approval.state != Approval.State.PENDING:
        return Hands(None, False, None, None, False)
    task = approval.task
    holder = holder_of(task, timezone.now())
    off = snoozes_of(user).filter(task=task).values_list("until", flat=True).first()
    is_others = holder is not None and holder != user and approval.quorum == 1
    return Hands(holder, holder == user, task.lease_until if holder else None, off, is_others)


def put_off_until(given: Mapping[str, str]) -> datetime | None:
    """Return until when somebody puts something off: so many ``hours``, or ``until`` a day and a time."""
    hours = given.get("hours", "")
    if re.fullmatch(r"[0-9]{1,3}", hours):
        return timezone.now() + timedelta(hours=int(hours))
    return moment_of(given.get("until", ""))


def moment_of(text: str) -> datetime | None:
    """Return a time as a form gives it, in the zone that pages show; None for one that is none."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    if found is None:
        return None
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def to_type(action: Action | None, risk: Risk) -> str:
    """Return what is typed to approve what is grave: the amount as its reader sees it, or the name; else ''."""
    if action is None or not risk.is_grave:
        return ""
    if action.amount_minor is not None:
        return said(amount_words(action))
    label = " ".join(plain_text(action.label).split())
    name = action.operation.name if action.operation else action.operation_code
    return label if 0 < len(label) <= LONGEST_TYPED else name


def is_typed(wanted: str, given: str, action: Action | None) -> bool:
    """Say whether what was typed is what was to be typed: an amount by its value, a name but for its case."""
    if not wanted or _bare(given) == _bare(wanted):
        return True
    if action is None or action.amount_minor is None:
        return False
    try:
        return major_to_minor(given, action.currency) == abs(action.amount_minor)
    except ValueError:
        return False


def _bare(text: str) -> str:
    return " ".join(plain_text(text).split()).casefold()


def approve_words(action: Action | None, approval: Approval, votes: Sequence[Vote]) -> str:
    """Return what approving does, as the word on the button."""
    if approval.quorum > 1 and len(votes) + 1 < approval.quorum:
        count = {"given": len(votes) + 1, "needed": approval.quorum}
        return _("Approve: %(given)s of %(needed)s") % count
    if action is None or action.operation is None:
        return _("Approve")
    deed = f"{action.operation.name[:1].lower()}{action.operation.name[1:]}"
    if amount := amount_words(action):
        return _("Approve and %(deed)s, %(amount)s") % {"deed": deed, "amount": amount}
    return _("Approve and %(deed)s") % {"deed": deed}
