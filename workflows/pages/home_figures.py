"""The few numbers that a person's work begins with: by what they answer for. Each leads to its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from agents.models import Agent, Department, Rule, User
from agents.selectors import visible_agents, visible_change_requests, visible_rules, visible_stops
from audit import seals
from audit.reading import in_period
from audit.selectors import legal_holds, visible_events
from connectors.models import SystemHealth
from workflows.actions.selectors import in_doubt
from workflows.appeals.models import Proposal
from workflows.appeals.selectors import visible_proposals
from workflows.approvals.models import Vote
from workflows.approvals.selectors import pending_for
from workflows.notices.selectors.news import OF_RULES
from workflows.runs.choices import RunState
from workflows.runs.selectors import visible_to as visible_runs

# Nobody decides otherwise because it is 400: more than this is said to be more.
MOST_COUNTED = 200
SOON = timedelta(hours=4)
ATTEST_SOON = timedelta(days=14)
LATELY = timedelta(days=30)
CHANGES_OF_AUTHORITY = (
    *OF_RULES, "agents.autonomy_set", "agents.agent_activated", "agents.agent_promoted",
    "agents.change_applied", "agents.person_changed", "connectors.operation_granted",
    "connectors.operation_revoked",
)  # fmt: skip
TAKEN_OUT = ("audit.events_downloaded", "audit.evidence_built", "audit.ledger_exported")


@dataclass(frozen=True, slots=True)
class Number:
    """A number up to MOST_COUNTED, and whether there is more."""

    value: int
    is_more: bool = False

    def __str__(self) -> str:
        return f"{self.value}+" if self.is_more else str(self.value)

    def __bool__(self) -> bool:
        return self.value > 0


@dataclass(frozen=True, slots=True)
class Figure:
    """One number in words; ``tone`` says whether somebody should look."""

    number: Any
    words: str
    link: str
    tone: str = ""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of one kind of work; ``more``: where there is more of them, in words, and its address."""

    key: str
    title: str
    figures: list[Figure]
    more: tuple[str, str] | None = None


def at_most(found: QuerySet[Any], most: int = MOST_COUNTED) -> Number:
    """Count rows, but not beyond ``most``."""
    many = found.order_by()[: most + 1].count()
    return Number(min(many, most), many > most)


def figures_for(user: User, waiting: int) -> list[Figures]:
    """Return the numbers of what this person does here, in the order in which they would look at them."""
    manager, operator = _of_manager(user), _of_operator(user)
    if manager and operator and not any(figure.number for figure in operator.figures):
        operator = None  # who also manages is told of the house when something is wrong with it
    parts = (_of_approver(user, waiting), manager, _of_leader(user), operator, _of_auditor(user))
    return [part for part in parts if part is not None]


def _of_approver(user: User, waiting: int) -> Figures | None:
    names = user.groups.values_list("name", flat=True)
    if not waiting and settings.DEFAULT_APPROVER_GROUP not in names:
        return None
    now = timezone.now()
    inbox = reverse("inbox")
    soon = at_most(pending_for(user).filter(expires_at__lt=now + SOON))
    mine = Vote.objects.filter(user=user, at__gte=now - timedelta(days=7))
    return Figures(
        "approver",
        _("Decisions"),
        [
            _figure(waiting, _("wait for me"), inbox, "wait"),
            _figure(soon, _("end within 4 hours"), inbox, "bad"),
            Figure(at_most(mine), _("decided by me in 7 days"), reverse("approvals-load")),
        ],
    )


def _of_operator(user: User) -> Figures | None:
    if not (user.has_perm("runs.steer_run") or user.has_perm("actions.resolve_action")):
        return None
    stopped = visible_runs(user).filter(state=RunState.INCIDENT)
    stops = visible_stops(user).filter(lifted_at__isnull=True)
    held_back = SystemHealth.objects.filter(opened_at__isnull=False)
    return Figures(
        "operator",
        _("Running the house"),
        [
            _figure(at_most(stopped), _("runs cannot go on"), f"{reverse('runs')}?show=incident", "bad"),
            _figure(
                at_most(in_doubt(user)),
                _("actions in doubt"),
                _rows("actions_action", "state__exact=in_doubt"),
                "bad",
            ),
            _figure(at_most(stops), _("stops in force"), _rows("agents_stop"), "bad"),
            _figure(at_most(held_back), _("systems that do not answer"), _rows("connectors_system"), "bad"),
        ],
    )


def _of_manager(user: User) -> Figures | None:
    mine = Agent.objects.filter(Q(sponsor=user) | Q(deputy=user)).exclude(lifecycle=Agent.Lifecycle.RETIRED)
    publishes = user.has_perm("agents.publish_rule")
    count = at_most(mine)
    if not (count or publishes):
        return None
    due = timezone.localdate() + ATTEST_SOON
    found = [
        Figure(count, _("agents I answer for"), reverse("agents")),
        _figure(
            at_most(mine.filter(probation_since__isnull=False)),
            _("of them on probation"),
            reverse("agents"),
            "wait",
        ),
        _figure(
            at_most(mine.filter(attest_by__lte=due)), _("to confirm within 14 days"), reverse("agents"), "wait"
        ),
        _figure(_spent(user, mine), _("budgets spent in 7 days"), f"{reverse('activity')}?show=all", "wait"),
    ]
    every = [*found, *(_of_rules(user) if publishes else ())]
    return Figures("manager", _("My agents"), [every[0], *(one for one in every[1:] if one.number)])


def _of_rules(user: User) -> Iterator[Figure]:
    waiting = visible_change_requests(user).filter(state="pending")
    yield _figure(
        at_most(waiting),
        _("changes wait for a second person"),
        _rows("agents_changerequest", "state__exact=pending"),
        "wait",
    )
    if user.has_perm("appeals.view_appeal"):
        open_ones = visible_proposals(user).filter(state=Proposal.State.OPEN)
        yield _figure(at_most(open_ones), _("contested rules with a proposal"), reverse("contested"), "wait")
    tried = visible_rules(user).exclude(mode=Rule.Mode.ENFORCED)
    yield Figure(at_most(tried), _("rules only tried"), _rows("agents_rule", "mode__exact=shadow"))


def _spent(user: User, mine: QuerySet[Agent]) -> Number:
    keys = [str(key) for key in mine.values_list("pk", flat=True)[:MOST_COUNTED]]
    since = timezone.now() - timedelta(days=7)
    spent = visible_events(user).filter(in_period(since, None), verb="agents.budget_spent", agent_id__in=keys)
    return at_most(spent)


def _of_leader(user: User) -> Figures | None:
    """Return the numbers of who heads departments: theirs, with those below the first level down."""
    mine = Department.objects.filter(Q(manager=user) | Q(parent__manager=user))
    keys = list(mine.values_list("pk", flat=True)[:MOST_COUNTED])
    if not keys:
        return None
    agents = visible_agents(user).filter(department__in=keys).exclude(lifecycle=Agent.Lifecycle.RETIRED)
    stopped = agents.exclude(brake=Agent.Brake.NONE)
    since = timezone.now() - timedelta(days=7)
    texts = [str(key) for key in keys]
    refused = visible_events(user).filter(in_period(since, None), department_id__in=texts, decision="deny")
    return Figures(
        "leader",
        _("My departments"),
        [
            Figure(at_most(agents), _("agents work in them"), reverse("agents")),
            _figure(at_most(stopped), _("of them paused"), reverse("agents"), "wait"),
            _figure(at_most(refused), _("calls refused in 7 days"), f"{reverse('activity')}?show=all", "wait"),
        ],
        (_("How approvals go"), reverse("approvals-load")),
    )


def _of_auditor(user: User) -> Figures | None:
    if not user.has_perm("audit.view_every_event"):
        return None
    since = timezone.now() - LATELY
    seen = visible_events(user).filter(in_period(since, None))
    standing = seals.standing()
    red = standing.has_begun and standing.is_red
    words = _("the seals are broken or late") if red else _("the ledger is sealed")
    if not standing.has_begun:
        words = _("sealing has not begun")
    ledger = reverse("admin:audit_event_changelist")
    return Figures(
        "auditor",
        _("Evidence"),
        [
            Figure(
                "",
                words,
                reverse("admin:audit_seals"),
                "bad" if red else "good",
                "gpp_bad" if red else "verified",
            ),
            Figure(
                at_most(seen.filter(verb__in=CHANGES_OF_AUTHORITY)),
                _("changes of authority in 30 days"),
                ledger,
            ),
            Figure(at_most(seen.filter(verb__in=TAKEN_OUT)), _("times evidence was taken out"), ledger),
            Figure(
                at_most(legal_holds().filter(ended_at__isnull=True)), _("legal holds"), _rows("audit_legalhold")
            ),
        ],
    )


def _figure(number: Any, words: str, link: str, tone: str) -> Figure:
    """Return a number that calls for somebody only when it is not zero."""
    return Figure(number, words, link, tone if number else "")


def _rows(name: str, query: str = "") -> str:
    return f"{reverse(f'admin:{name}_changelist')}{'?' if query else ''}{query}"
