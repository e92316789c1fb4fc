"""The list of agents: how each stands, what it has in hand, when it last did anything; and its filters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from agents import registry
from agents.admin.lists import ListMixin, ago, tag
from agents.models import Agent
from audit.admincsv import Column
from audit.selectors import last_acts


class ProbationFilter(admin.SimpleListFilter):
    """Agents that are on probation, whose probation is over its planned end, or that are on none."""

    title = "probation"
    parameter_name = "probation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("yes", "On probation"), ("late", "Past its planned end"), ("no", "On none")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "no":
            return queryset.filter(probation_since=None)
        if self.value() == "late":
            return queryset.filter(probation_until__lte=timezone.now().date())
        return queryset.filter(probation_since__isnull=False) if self.value() == "yes" else queryset


class AttestationFilter(admin.SimpleListFilter):
    """Agents whose confirmation is overdue, due soon, or has no day."""

    title = "confirmation"
    parameter_name = "confirmation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("overdue", "Overdue"), ("soon", "Due within 30 days"), ("none", "No day set")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        today = timezone.now().date()
        if self.value() == "overdue":
            return queryset.filter(attest_by__lt=today)
        if self.value() == "soon":
            return queryset.filter(attest_by__range=(today, today + timedelta(days=30)))
        return queryset.filter(attest_by=None) if self.value() == "none" else queryset


class AgentList(ListMixin):
    """Agents in rows; each name leads to its file."""

    list_display = (
        "name",
        "role",
        "department",
        "shown_sponsor",
        "shown_state",
        "shown_waits",
        "shown_seen",
        "autonomy",
    )
    file_page = "agent-file"
    csv_columns: Sequence[Column] = (
        ("Name", lambda agent: agent.name),
        ("Code", lambda agent: agent.code),
        ("Role", lambda agent: agent.role),
        ("Department", lambda agent: agent.department),
        ("Answers for it", lambda agent: agent.sponsor),
        ("Employment", lambda agent: agent.get_lifecycle_display()),
        ("On probation until", lambda agent: agent.probation_until),
        ("Brake", lambda agent: agent.get_brake_display()),
        ("Autonomy", lambda agent: agent.get_autonomy_display()),
        ("Works on", lambda agent: agent.in_hand.working),
        ("Waits for people", lambda agent: agent.in_hand.waiting),
        ("In doubt", lambda agent: agent.in_hand.doubts),
        ("Last sign of life", lambda agent: agent.seen_at),
        ("To be confirmed by", lambda agent: agent.attest_by),
        ("Since", lambda agent: agent.created_at),
    )

    def fill_rows(self, rows: Sequence[Any]) -> None:
        """Tell of each agent what it has in hand and when it last did anything, with one question each."""
        in_hand = registry.in_hand([agent.pk for agent in rows])
        seen = last_acts([str(agent.user_id) for agent in rows])
        for agent in rows:
            agent.in_hand = in_hand.get(agent.pk, registry.InHand())
            agent.seen_at = seen.get(str(agent.user_id))

    @display(description="Answers for it", ordering="sponsor__first_name")
    def shown_sponsor(self, agent: Agent) -> SafeString | str:
        if agent.sponsor.is_active:
            return str(agent.sponsor)
        return format_html("{} {}", agent.sponsor, tag("Has left", "person_off", "bad"))

    @display(description="State", ordering="lifecycle")
    def shown_state(self, agent: Agent) -> SafeString:
        if agent.lifecycle != Agent.Lifecycle.ACTIVE:
            is_draft = agent.lifecycle == Agent.Lifecycle.DRAFT
            return tag(agent.get_lifecycle_display(), *(("edit_note", "info") if is_draft else ("logout",)))
        if agent.brake != Agent.Brake.NONE:
            is_paused = agent.brake == Agent.Brake.PAUSED
            return tag(agent.get_brake_display(), "pause_circle" if is_paused else "lock", "bad")
        return tag("On probation", "school", "wait") if agent.on_probation else tag("At work", "badge", "good")

    @display(description="Has in hand")
    def shown_waits(self, agent: Any) -> SafeString | str:
        found = agent.in_hand
        if found.doubts:
            return tag(f"{found.doubts} in doubt", "help", "bad")
        if found.waiting:
            return tag(
                f"{found.waiting} {'waits' if found.waiting == 1 else 'wait'} for people", "front_hand", "wait"
            )
        return tag(f"Works on {found.working}", "play_circle", "good") if found.working else "—"

    @display(description="Last sign of life")
    def shown_seen(self, agent: Any) -> SafeString | str:
        return ago(agent.seen_at)
