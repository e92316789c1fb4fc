from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, F, Sum

from agents.decision.budgets import cost_words
from agents.models import Agent, ModelUse, User
from agents.registry import AgentPanel
from agents.selectors.authority import company_currency
from audit.selectors import database_now

DAYS = 30


def model_use_panel(agent: Agent, viewer: User) -> AgentPanel | None:
    """Return what the models of an agent took in the last 30 days, as it says, for its page."""
    if not viewer.has_perm("agents.view_agent", agent) and not viewer.has_perm("agents.view_agent"):
        return None
    since = database_now() - timedelta(days=DAYS)
    currency = company_currency()
    found = (
        ModelUse.objects.filter(agent=agent, at__gte=since)
        .values("model")
        .annotate(
            reports=Count("pk"), all_tokens=Sum(F("input_tokens") + F("output_tokens")), all_cost=Sum("cost")
        )
        .order_by("-all_cost", "-all_tokens")
    )
    rows = [
        (it["model"], f"{it['reports']:,}", f"{it['all_tokens']:,}", cost_words(it["all_cost"], currency))
        for it in found
    ]
    return AgentPanel(
        title=f"Model use, last {DAYS} days",
        columns=("Model", "Reports", "Tokens", "Cost"),
        rows=rows,
        empty="It has not said what its models take. Once it does, a limit of tokens or cost can stop it.",
    )
