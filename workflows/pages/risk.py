"""How grave a request is: one word with the reasons for it, the same in the list, its filter and the detail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext as _

from agents.models import Agent
from workflows.actions.models import Action
from workflows.approvals.models import Approval
from workflows.approvals.policies import may_go_together
from workflows.pages.words import Tag

HIGH, MEDIUM, LOW = "high", "medium", "low"


@dataclass(frozen=True, slots=True)
class Risk:
    """The word, why it is so, and whether whoever approves types what they approve."""

    level: str
    why: str
    tag: Tag

    @property
    def is_grave(self) -> bool:
        """Say whether a click is too little to approve it."""
        return self.level == HIGH


def risk_of(action: Action | None, approval: Approval) -> Risk:
    """Return how grave it is to approve this. A change of authority is medium: two people look at it."""
    if action is None:
        return _risk(MEDIUM, _("it changes what agents may do"))
    if not may_go_together(
        effect=action.operation.effect if action.operation else "",
        risk_tier=action.agent.risk_tier,
        quorum=approval.quorum,
    ):
        return _risk(HIGH, ", ".join(_grave(action)) or _("money that several people have to agree to"))
    effect = action.operation.effect if action.operation else ""
    if effect == "financial":
        return _risk(MEDIUM, _("it moves money"))
    if effect == "write" and action.operation and action.operation.undo_operation_id is None:
        return _risk(MEDIUM, _("it cannot be undone"))
    return _risk(LOW, _("it can be undone") if effect != "read" else _("it only reads"))


def is_risky(level: str) -> Q:
    """Say the same of actions in the database."""
    high = Q(agent__risk_tier=Agent.RiskTier.HIGH) | Q(operation=None)
    high |= ~Q(operation__effect__in=["read", "write", "financial"])
    high |= Q(operation__effect="financial", approval__quorum__gt=1)
    medium = Q(operation__effect="financial")
    medium |= Q(operation__effect="write", operation__undo_operation=None)
    return {HIGH: high, MEDIUM: ~high & medium, LOW: ~high & ~medium}[level]


def leaves_company(action: Action) -> bool:
    """Say whether what is done lands outside: at a system that is reached over no network of the company."""
    if action.operation is None or action.operation.effect == "read":
        return False
    system = action.operation.system
    return system.kind != "portal" and not system.private_networks


def _grave(action: Action) -> Iterator[str]:
    if action.agent.risk_tier == Agent.RiskTier.HIGH:
        yield _("the agent is of high risk")
    if action.operation is None:
        yield _("nobody knows the operation")
    elif action.operation.effect == "destructive":
        yield _("it destroys data")


def _risk(level: str, why: str) -> Risk:
    word, icon, tone = {
        HIGH: (_("High risk"), "gpp_maybe", "bad"),
        MEDIUM: (_("Medium risk"), "shield", "wait"),
        LOW: (_("Low risk"), "verified_user", ""),
    }[level]
    return Risk(level, why, Tag(word, icon, tone))
