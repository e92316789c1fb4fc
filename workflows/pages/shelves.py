"""The lists of the inbox: which approvals and which work belong to each, in order, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from agents.models import User
from audit.lookups import EachRow
from workflows.approvals.models import Approval
from workflows.approvals.selectors import in_force, pending_for
from workflows.approvals.selectors import visible_to as visible_approvals
from workflows.tasks.models import Task
from workflows.tasks.selectors import NEAR, closed_for, handed_on_by, snoozes_of, waiting, work_waiting_for
from workflows.tasks.selectors import work_visible_to as visible_work

DECIDED_DAYS = 30
# So many of what was decided are looked through for one page, however rare what is wanted is among them.
LOOKED_THROUGH = 1_000
# An approval is shown by itself, not by its task, and agents have a door of their own.
FOR_PEOPLE = (Task.Kind.HUMAN_WORK, Task.Kind.EXCEPTION, Task.Kind.QUESTION, Task.Kind.INCIDENT)
SOMETIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shelf:
    """One list of the inbox: its word, and what it says when it is empty."""

    key: str
    word: str | Promise
    empty: str | Promise
    hint: str | Promise


SHELVES = (
    Shelf(
        "mine",
        _("For me"),
        _("Nothing waits for you"),
        _("What agents may not decide alone, and work for you, appears here by itself."),
    ),
    Shelf(
        "groups",
        _("My groups"),
        _("Nothing waits for your groups"),
        _("What any of your groups decides or does is here, also what a colleague has in hand."),
    ),
    Shelf(
        "delegated",
        _("Handed on"),
        _("You have handed nothing on"),
        _("What you asked others about, and what is decided for you while you are away, stays here."),
    ),
    Shelf(
        "snoozed",
        _("Snoozed"),
        _("You have put nothing off"),
        _("What you do not want to see before a time is here until then. No deadline moves."),
    ),
    Shelf(
        "others",
        _("For others"),
        _("Nothing else waits"),
        _("What you may see, but another person decides or has taken, is here."),
    ),
    Shelf(
        "decided",
        _("Decided"),
        _("Nothing was decided lately"),
        _("Decisions of the last 30 days are here."),
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """After which row a page goes on: its time and its key, as both stand in the address."""

    at: datetime
    key: UUID

    @property
    def text(self) -> str:
        """Return it for an address."""
        return f"{self.at.isoformat()}_{self.key}"


def place_of(text: str) -> Place | None:
    """Return where an address goes on; None where it names no place."""
    at, _sign, key = text.rpartition("_")
    try:
        moment = datetime.fromisoformat(at.replace(" ", "+"))
        return Place(moment, UUID(key)) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def shelf_of(key: str) -> Shelf:
    """Return a list by its name in the address; the first for a name that is none."""
    return next((shelf for shelf in SHELVES if shelf.key == key), SHELVES[0])


def work_for(user: User) -> QuerySet[Task]:
    """Return the tasks a person could do now, apart from approvals; what a colleague has taken is theirs."""
    free = Q(claimed_by=None) | Q(claimed_by=user) | Q(claimed_by__is_active=False)
    return work_waiting_for(user).filter(free, ~_put_off(user, "pk", "due_at"), kind__in=FOR_PEOPLE)


def decisions_for(user: User, *, kept: bool = False) -> QuerySet[Approval]:
    """Return what a person could decide now and has not put off. ``kept``: asked later as it is, too."""
    return pending_for(user, kept=kept).filter(~_put_off(user, "task", "expires_at"))


def approvals_on(user: User, shelf: str, after: Place | None) -> QuerySet[Approval]:
    """Return the approvals of a list that follow a place, in its order."""
    found = _APPROVALS[shelf](user).select_related("task__claimed_by").prefetch_related("approver_groups")
    if shelf == "decided":
        found = found.prefetch_related("votes__user", "votes__on_behalf_of", "votes__through")
        older = Q(decided_at__lt=after.at) | Q(decided_at=after.at, id__lt=after.key) if after else Q()
        return found.filter(older).order_by("-decided_at", "-id")
    later = Q(expires_at__gt=after.at) | Q(expires_at=after.at, id__gt=after.key) if after else Q()
    return found.filter(later).order_by("expires_at", "id")


def tasks_on(user: User, shelf: str, after: Place | None) -> QuerySet[Task]:
    """Return the work of a list that follows a place, in its order; what has no deadline comes last."""
    found = _TASKS[shelf](user).filter(kind__in=FOR_PEOPLE).select_related("claimed_by")
    if shelf == "decided":
        older = Q(closed_at__lt=after.at) | Q(closed_at=after.at, id__lt=after.key) if after else Q()
        return found.filter(older).order_by("-closed_at", "-id")
    return found.filter(_later(after)).order_by("due_at", "id")


def last_looked_at(after: Place | None) -> Place | None:
    """Return up to where one page of what was decided looks; None when it reaches the end of what is shown."""
    found = _lately(Approval.objects.all())
    if after:
        found = found.filter(decided_at__lte=after.at)
    rows = found.order_by("-decided_at", "-id").values_list("decided_at", "pk")
    for at, key in rows[LOOKED_THROUGH : LOOKED_THROUGH + 1]:
        return Place(at, key) if at else None
    return None


def _later(after: Place | None) -> Q:
    if after is None:
        return Q()
    if after.at >= SOMETIME:
        return Q(due_at=None, id__gt=after.key)
    return Q(due_at__gt=after.at) | Q(due_at=after.at, id__gt=after.key) | Q(due_at=None)


def _put_off(user: User, task: str, due: str) -> Q:
    """What this person has put off, unless its deadline comes near."""
    return Q(Exists(snoozes_of(user).filter(task=OuterRef(task)))) & (
        Q(**{f"{due}__gt": Now() + NEAR}) | Q(**{due: None})
    )


def _pending(found: QuerySet[Approval]) -> QuerySet[Approval]:
    return found.filter(state=Approval.State.PENDING)


def _since() -> datetime:
    return timezone.now() - timedelta(days=DECIDED_DAYS)


def _lately(found: QuerySet[Approval]) -> QuerySet[Approval]:
    return found.filter(decided_at__gte=_since())


def _of_groups(user: User) -> QuerySet[Approval]:
    mine = user.groups.values("pk")
    asked = Approval.approver_groups.through.objects.filter(approval=OuterRef("pk"), group__in=mine)
    return _pending(Approval.objects.all()).filter(EachRow(asked))


def _handed_on(user: User) -> QuerySet[Approval]:
    """What others were asked about by this person, and what waits for whoever decides for them meanwhile."""
    mine = Q(task__in=handed_on_by(user).values("pk"))
    if delegates_of(user):
        mine |= Q(pk__in=pending_for(user).order_by().values("pk"))
    return _pending(Approval.objects.all()).filter(mine)


def delegates_of(user: User) -> list[str]:
    """Return who decides for a person today, by name."""
    return [str(one.delegate) for one in in_force().filter(giver=user)]


def _other_approvals(user: User) -> QuerySet[Approval]:
    mine = pending_for(user).order_by().values("pk")
    return _pending(visible_approvals(user).prefetch_related("stages")).exclude(pk__in=mine)


def _other_tasks(user: User) -> QuerySet[Task]:
    open_ones = visible_work(user).filter(state__in=Task.WAITING)
    return open_ones.exclude(pk__in=work_for(user).order_by().values("pk"))


def _put_off_approvals(user: User) -> QuerySet[Approval]:
    return _pending(visible_approvals(user)).filter(task__in=snoozes_of(user).values("task"))


_APPROVALS = {
    "mine": decisions_for,
    "groups": _of_groups,
    "delegated": _handed_on,
    "snoozed": _put_off_approvals,
    "others": _other_approvals,
    "decided": lambda user: _lately(visible_approvals(user)),
}
_TASKS = {
    "mine": work_for,
    "groups": lambda user: waiting().filter(candidate_groups__in=user.groups.values("pk")).distinct(),
    "delegated": handed_on_by,
    "snoozed": lambda user: work_waiting_for(user).filter(pk__in=snoozes_of(user).values("task")),
    "others": _other_tasks,
    "decided": lambda user: closed_for(user).filter(closed_at__gte=_since()),
}
