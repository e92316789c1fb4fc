"""What people do with an agent from its file: brake it, activate, promote, put back, move, copy, retire it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.enums import ActionVariant

from agents import selectors
from agents.admin.base import it_waits
from agents.forms import AutonomyForm, DemotionForm, ReassignForm, wanted
from agents.forms.cloning import CloneForm
from agents.models import Agent
from agents.services import cloning, lifecycle, probation
from audit.adminkit import actor_of, reason_action


def is_working(agent: Agent) -> bool:
    """Tell whether it has not been retired."""
    return agent.lifecycle != Agent.Lifecycle.RETIRED


def _unbraked(agent: Agent) -> bool:
    return is_working(agent) and agent.brake == Agent.Brake.NONE


def _not_suspended(agent: Agent) -> bool:
    return is_working(agent) and agent.brake != Agent.Brake.SUSPENDED


def _braked(agent: Agent) -> bool:
    return is_working(agent) and agent.brake != Agent.Brake.NONE


def is_draft(agent: Agent) -> bool:
    """Tell whether it has not been activated yet."""
    return agent.lifecycle == Agent.Lifecycle.DRAFT


def _active(agent: Agent) -> bool:
    return agent.lifecycle == Agent.Lifecycle.ACTIVE


def _on_probation(agent: Agent) -> bool:
    return _active(agent) and agent.on_probation


class EmploymentVerbs:
    """The verbs of an agent's employment; each asks for a reason."""

    @reason_action(
        title="Pause this agent",
        description="Pause",
        text="Every further call is refused at once. It keeps its place and its token, and is told why.",
        submit="Pause",
        permission="agents.pause_agent",
        available=_unbraked,
        icon="pause_circle",
        variant=ActionVariant.WARNING,
    )
    def pause(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Pause it."""
        lifecycle.pause_agent(actor=actor_of(request), agent=obj, reason=data["reason"])
        return f"{obj.name} is paused."

    @reason_action(
        title="Suspend this agent",
        description="Suspend",
        text="Its access is closed: tokens are void and none is issued until the brake is lifted.",
        submit="Suspend",
        permission="agents.suspend_agent",
        available=_not_suspended,
        icon="block",
    )
    def suspend(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Suspend it."""
        lifecycle.suspend_agent(actor=actor_of(request), agent=obj, reason=data["reason"])
        return f"{obj.name} is suspended."

    @reason_action(
        title="Lift the brake",
        description="Lift brake",
        text="It may act again, within the authority it had. What was refused is not repeated by itself.",
        submit="Lift brake",
        permission="agents.lift_brake",
        available=_braked,
        icon="play_circle",
        variant=ActionVariant.PRIMARY,
    )
    def lift_brake(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Lift its brake."""
        lifecycle.lift_brake(actor=actor_of(request), agent=obj, reason=data["reason"])
        return f"The brake of {obj.name} is off."

    @reason_action(
        title="Let this agent start work",
        description="Activate",
        text="A second person approves it, with exactly the file and the grants it has now.",
        submit="Ask for activation",
        permission="agents.activate_agent",
        available=is_draft,
        icon="rocket_launch",
        variant=ActionVariant.PRIMARY,
    )
    def activate(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str | None:
        """Propose its activation."""
        change = lifecycle.activate_agent(actor=actor_of(request), agent=obj, reason=data["reason"])
        return it_waits(request, change)

    @reason_action(
        title="End its probation",
        description="End probation",
        text="A second person approves it, on its record and its contract as they are now. "
        "The tab Life leads to both.",
        submit="Propose",
        permission="agents.promote_agent",
        available=_on_probation,
        icon="workspace_premium",
    )
    def promote(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str | None:
        """Propose that its probation ends."""
        change = probation.propose_promotion(actor=actor_of(request), agent=obj, reason=data["reason"])
        return it_waits(request, change)

    @reason_action(
        title="Put this agent back",
        description="Put back",
        submit="Put back",
        permission="agents.demote_agent",
        form_class=DemotionForm,
        available=_active,
        icon="trending_down",
        variant=ActionVariant.WARNING,
    )
    def demote(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Put it back at once."""
        agent = probation.demote_agent(actor=actor_of(request), agent=obj, to=data["to"], reason=data["reason"])
        return f"{agent.name} was put back: {selectors.state_words(agent)}."

    @reason_action(
        title="Retire this agent",
        description="Retire",
        text="For good: its access is closed, secrets, tokens and grants are revoked. Its records stay. "
        "What it still has to do is handed over first, on the page of its life (tab Life).",
        submit="Retire",
        permission="agents.retire_agent",
        available=is_working,
        icon="logout",
        variant=ActionVariant.DANGER,
    )
    def retire(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Retire it."""
        lifecycle.retire_agent(actor=actor_of(request), agent=obj, reason=data["reason"])
        return f"{obj.name} is retired."

    @reason_action(
        title="Change how freely it works",
        description="Change autonomy",
        submit="Change",
        permission="agents.set_autonomy",
        form_class=AutonomyForm,
        available=is_working,
        icon="tune",
    )
    def autonomy(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str | None:
        """Change its autonomy; more of it waits."""
        change = lifecycle.set_autonomy(
            actor=actor_of(request), agent=obj, autonomy=data["autonomy"], reason=data["reason"]
        )
        return it_waits(request, change) if change else f"The autonomy of {obj.name} was changed."

    @reason_action(
        title="Change its place",
        description="Reassign",
        text="Another sponsor, department, role, risk or attestation date. A second person approves it.",
        submit="Propose",
        permission="agents.activate_agent",
        form_class=ReassignForm,
        available=_active,
        icon="move_up",
    )
    def reassign(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str | None:
        """Propose another place for it."""
        change = lifecycle.propose_reassignment(
            actor=actor_of(request), agent=obj, changes_wanted=wanted(data), reason=data["reason"]
        )
        return it_waits(request, change)

    @reason_action(
        title="Copy it into another department",
        description="Copy to a department",
        text="A draft with the same job. What it may use is agreed to anew; no secret, no history.",
        submit="Copy",
        permission="agents.add_agent",
        form_class=CloneForm,
        icon="content_copy",
    )
    def clone(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Copy it; say what was and what was not."""
        given = {name: data[name] for name in CloneForm.field_order}
        found = cloning.clone_agent(actor=actor_of(request), agent=obj, **given)
        messages.warning(request, f"Not copied: {' '.join(found.not_copied)}")
        address = reverse("admin:agents_agent_change", args=[found.agent.pk])
        return format_html(
            '<a class="portal-link" href="{}">{}</a> is a draft. Grants that wait for a second person: {}. '
            "Then ask for its activation.",
            address,
            found.agent.name,
            len(found.waiting),
        )
