"""What agents say their models took: kept once, counted against every budget, and bound by it at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from agents import registry
from agents.decision import budgets as rules
from agents.decision import wording
from agents.decision.budgets import COST, TOKENS, Budget
from agents.decision.facts import AgentFacts
from agents.models import Agent, ModelUse
from agents.selectors import agent_facts, authority_snapshot, company_currency, rate_on
from agents.services import measures
from agents.services.lifecycle import pause_agent
from audit.selectors import database_now
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind

LIMITS = "limits"  # who brakes when a limit says so


@dataclass(frozen=True, slots=True)
class Spent:
    """What one report says: ``cost`` in major units of ``currency``, as text."""

    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    cost: str = ""
    currency: str = ""


def report_model_use(
    *, actor: Actor, agent: Agent, key: str, spent: Spent, task_id: str = "", run_id: str = ""
) -> tuple[ModelUse, list[Budget]]:
    """Keep what an agent says its model took, and count it; a paused agent may still say what it has spent.

    The same ``key`` with the same content again is the report that is there. Raises Refusal
    ``report_key_reused``, ``cost_invalid`` or ``no_rate`` (422). When a budget is spent by it, that is in the
    ledger, and after the commit a budget for each run pauses the run, one that pauses the agent does so.
    """
    with transaction.atomic():
        facts, snapshot = agent_facts(agent), authority_snapshot()
        wanted = _wanted(agent, key, spent, task_id, run_id)
        if earlier := _earlier(wanted):
            return earlier, measures.budgets(facts, run_id, snapshot)
        wanted.save(force_insert=True)
        found = measures.count_model_use(
            report_id=f"use:{wanted.pk}",
            agent=facts,
            run_id=run_id,
            spent={TOKENS: wanted.tokens, COST: wanted.cost},
            snapshot=snapshot,
        )
        for budget in found:
            if budget.is_crossed:
                _tell_spent(actor, agent, budget, run_id)
        return wanted, found


def require_budget(agent: AgentFacts, run_id: str) -> None:
    """Refuse new work when a budget of model use that stops work is spent; raises Refusal ``budget_spent``."""
    snapshot = authority_snapshot()
    for budget in measures.budgets(agent, run_id, snapshot):
        if budget.stops_work:
            words = wording.measure_words(budget.definition, budget.facts, snapshot.company_currency)
            raise Refusal(
                "budget_spent",
                wording.sentence("No more work is given", words),
                {"measure": budget.definition.code},
                RefusalKind.LIMITED,
                wording.next_after_denial("limit_reached"),
            )


def pause_for_limit(agent_id: Any, name: str) -> None:
    """Pause an agent because a limit says so; one that has a brake on already keeps it."""
    agent = Agent.objects.filter(pk=agent_id).first()
    if agent is None or agent.brake != Agent.Brake.NONE or agent.lifecycle != Agent.Lifecycle.ACTIVE:
        return
    try:
        pause_agent(actor=Actor.system(LIMITS), agent=agent, reason=f"The limit {name!r} was passed.")
    except Refusal as refusal:
        if refusal.kind != RefusalKind.CONFLICT:  # somebody braked it meanwhile
            raise


def _wanted(agent: Agent, key: str, spent: Spent, task_id: str, run_id: str) -> ModelUse:
    report = ModelUse(
        agent=agent,
        key=key,
        task_id=task_id,
        run_id=run_id,
        model=spent.model,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost=_millionths(spent) if spent.cost else 0,
        stated={"amount": spent.cost, "currency": spent.currency} if spent.cost else {},
    )
    report.full_clean(validate_unique=False, validate_constraints=False)
    return report


def _millionths(spent: Spent) -> int:
    own = company_currency()
    rate = rules.MILLION if spent.currency == own else _rate(spent.currency)
    try:
        return rules.millionths_of(spent.cost, spent.currency, rate)
    except ValueError as error:
        raise Refusal("cost_invalid", f"The report was refused: {error}.", kind=RefusalKind.INVALID) from error


def _rate(currency: str) -> int:
    if (rate := rate_on(currency, database_now().date())) is None:
        raise Refusal(
            "no_rate",
            f"The report was refused: the company has no exchange rate for {currency}.",
            kind=RefusalKind.INVALID,
            next_step=f"State the cost in {company_currency() or 'the company currency'}.",
        )
    return rate


def _earlier(wanted: ModelUse) -> ModelUse | None:
    """Return the report that has this key; the agent's row keeps two of the same key apart."""
    Agent.objects.select_for_update(of=("self",), no_key=True).get(pk=wanted.agent_id)
    earlier = ModelUse.objects.filter(agent_id=wanted.agent_id, key=wanted.key).first()
    if earlier is None:
        return None
    told = ("task_id", "model", "input_tokens", "output_tokens", "stated")
    if any(getattr(earlier, name) != getattr(wanted, name) for name in told):
        raise Refusal(
            "report_key_reused",
            f"The report was refused: the key {wanted.key!r} already stands for another report.",
            kind=RefusalKind.INVALID,
            next_step="Use a new key for each report.",
        )
    return earlier


def _tell_spent(actor: Actor, agent: Agent, budget: Budget, run_id: str) -> None:
    definition = budget.definition
    words = wording.measure_words(definition, budget.facts, company_currency())
    references: dict[str, Any] = {"agent_id": str(agent.pk), "department_id": str(agent.department_id)}
    record_event(
        actor=actor,
        verb="agents.budget_spent",
        subject=agent.as_ref(),
        sentence=f"{agent.name} has spent a budget. {words}"[:500],
        payload={"measure": definition.code, "mode": definition.mode, "on_exceed": definition.on_exceed},
        **({**references, "run_id": run_id} if run_id else references),
    )
    if not budget.stops_work:
        return
    if definition.key.strip() == rules.PER_RUN:
        transaction.on_commit(partial(registry.tell_run_spent, run_id, definition.name))
    if definition.on_exceed == "pause":
        transaction.on_commit(partial(pause_for_limit, agent.pk, definition.name))
