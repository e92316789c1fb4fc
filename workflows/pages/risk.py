"""How grave a request is: one word with the reasons for it, the same in the list, its filter and the detail."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from agents.models import Agent
from workflows.actions.models import Action
from workflows.actions.selectors import HIGH, LOW, MEDIUM, RISK_WORDS, risk_level
from workflows.approvals.models import Approval
from workflows.pages.words import Tag

LOOKS = {HIGH: ("gpp_maybe", "bad"), MEDIUM: ("shield", "wait"), LOW: ("verified_user", "")}


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
    """Return how grave it is to approve this, as the pages mark it."""
    level, why = risk_level(action, approval)
    icon, tone = LOOKS[level]
    return Risk(level, ", ".join(why), Tag(RISK_WORDS[level], icon, tone))


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
