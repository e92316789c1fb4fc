"""The four guides, and where each stands in this company."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import Agent, ContractSignature, Policy, PolicyScope, User
from connectors.models import Operation
from connectors.selectors import visible_systems
from workflows.pages.access import for_people, page
from workflows.pages.guides.frame import CONNECT, CONTRACT, GUIDES, REGISTER, WORKFLOW, Guide, may_any
from workflows.runs.models import Run, Workflow

FEW = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """One guide as it stands: done once or not, and what somebody began and did not finish."""

    guide: Guide
    link: str
    done: bool
    words: str
    unfinished: list[tuple[str, str]]


@never_cache
@require_safe
@for_people
def guides(request: HttpRequest) -> HttpResponse:
    """Show the guides this person may do, in the order a new company needs them."""
    user: User = request.user  # type: ignore[assignment]
    if not may_any(user):
        raise PermissionDenied
    return page(
        request,
        "portal/guides/overview.html",
        _("Set up"),
        standings=standings(user),
        alone=not _has_second(user),
        group=settings.DEFAULT_APPROVER_GROUP,
    )


def _has_second(user: User) -> bool:
    """Tell whether there is somebody else who could agree to what this person proposes."""
    others = User.objects.filter(groups__name=settings.DEFAULT_APPROVER_GROUP, is_active=True)
    return others.filter(kind=User.Kind.PERSON).exclude(pk=user.pk).exists()


def standings(user: User) -> list[Standing]:
    """Return the guides that somebody may do, each with where it stands; every count is a handful of rows."""
    ask = {"systems": _systems, "agents": _agents, "contracts": _contracts, "workflows": _workflows}
    return [ask[guide.key](user) for guide in GUIDES if guide.may(user)]


def first_steps(user: User, agents: int) -> list[Standing]:
    """Return the guides while a company has no agent or nothing ever ran; after that the menu is enough."""
    return standings(user) if not agents or not Run.objects.exists() else []


def _systems(user: User) -> Standing:
    mine = visible_systems(user).exclude(kind="portal")
    works = Operation.objects.filter(
        system__in=mine.filter(health__last_ok_at__isnull=False), current_revision__isnull=False
    ).exists()
    begun = mine.exclude(operations__current_revision__isnull=False).order_by("-pk")[:FEW]
    return _standing(
        CONNECT,
        works,
        _("A system answers and has operations.") if works else _("No system is connected yet."),
        [(system.name, reverse("guide-system", args=[system.pk])) for system in begun],
    )


def _agents(user: User) -> Standing:
    works = Agent.objects.filter(lifecycle=Agent.Lifecycle.ACTIVE).exists()
    drafts = Agent.objects.filter(lifecycle=Agent.Lifecycle.DRAFT).order_by("-pk")[:FEW]
    return _standing(
        REGISTER,
        works,
        _("An agent is at work.") if works else _("No agent is at work yet."),
        [(agent.name, reverse("guide-agent", args=[agent.pk])) for agent in drafts],
    )


def _contracts(user: User) -> Standing:
    signed = ContractSignature.objects.exists()
    words = _("A contract is signed.") if signed else _("No contract is signed yet.")
    return _standing(CONTRACT, signed, words, _unwritten())


def _unwritten() -> list[tuple[str, str]]:
    """Return the newest contracts with rules that are not in force yet."""
    own = Policy.objects.filter(scope_kind__in=[PolicyScope.AGENT, PolicyScope.ROLE], rules__mode="draft")
    found = own.order_by("-created_at").distinct()[:FEW]
    return [(policy.name, f"{reverse('guide-contracts')}?policy={policy.pk}") for policy in found]


def _workflows(user: User) -> Standing:
    ran = Run.objects.exists()
    waiting = Workflow.objects.filter(current=None).order_by("-created_at")[:FEW]
    count = Workflow.objects.filter(current__isnull=False)[:FEW].count()
    words = _("No workflow runs yet.")
    if ran:
        words = _("A run has begun.")
    elif count:
        words = ngettext("A workflow is ready to start.", "Workflows are ready to start.", count)
    return _standing(
        WORKFLOW, ran, words, [(it.name, reverse("guide-workflow", args=[it.pk])) for it in waiting]
    )


def _standing(guide: Guide, done: bool, words: str, unfinished: list[tuple[Any, str]]) -> Standing:
    return Standing(guide, reverse(guide.route), done, words, unfinished)
