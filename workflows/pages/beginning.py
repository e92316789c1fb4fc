"""The way from an empty portal to the first work that is done: four steps, and which of them are taken."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from agents.models import Agent, Rule, User
from connectors.models import Operation
from workflows.runs.models import Run


@dataclass(frozen=True, slots=True)
class SetUpStep:
    """One step: what it is, what it is for, whether it is done, and where it is done."""

    title: str
    detail: str
    link: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class Beginning:
    """The steps in order, and the page that leads through them where there is one."""

    steps: list[SetUpStep]
    guide: str

    @property
    def next(self) -> SetUpStep | None:
        """Return the first step that is not taken."""
        return next((step for step in self.steps if not step.is_done), None)


def steps_for(user: User) -> Beginning | None:
    """Return the way for who may take it, as long as it is not at its end; None for everybody else."""
    if not (user.has_perm("agents.add_agent") and user.has_perm("agents.publish_rule")):
        return None
    steps = [
        SetUpStep(
            _("Connect a system"),
            _("Where your agents' work lands, and which operations there are."),
            reverse("admin:connectors_system_changelist"),
            Operation.objects.filter(is_enabled=True, current_revision__isnull=False).exists(),
        ),
        SetUpStep(
            _("Register an agent"),
            _("It begins as a draft and may do nothing until you grant it operations."),
            reverse("admin:agents_agent_add"),
            Agent.objects.filter(lifecycle=Agent.Lifecycle.ACTIVE).exists(),
        ),
        SetUpStep(
            _("Say what needs a person"),
            _("A rule in force, in words: what is refused, and what waits for somebody."),
            reverse("policies"),
            Rule.objects.filter(mode=Rule.Mode.ENFORCED).exists(),
        ),
        SetUpStep(
            _("Start a workflow"),
            _("A first piece of work, from its beginning to its end."),
            reverse("startable"),
            Run.objects.exists(),
        ),
    ]
    found = Beginning(steps, _guides())
    return found if found.next else None


def _guides() -> str:
    try:
        return reverse("guides")
    except NoReverseMatch:
        return ""
