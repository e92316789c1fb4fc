"""What a run took: the money and tokens of models, and the time of systems; in all, and for each task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Avg, Count, F, Max, QuerySet, Sum

from agents.decision.budgets import cost_words
from agents.models import ModelUse, User
from agents.selectors import company_currency, visible_agents
from audit.services.evidence.cells import length_words
from connectors.selectors import visible_calls
from workflows.runs.models import Run


@dataclass(frozen=True, slots=True)
class Meter:
    """What models took, as agents say: reports, tokens, and the cost in millionths of a currency."""

    uses: int = 0
    tokens: int = 0
    cost: int = 0
    currency: str = ""
    models: str = ""

    @property
    def cost_words(self) -> str:
        """Return the cost as people read it."""
        return cost_words(self.cost, self.currency)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the calls of a run to systems took."""

    calls: int = 0
    mean: str = ""
    slowest: str = ""


def meter_of(run: Run, user: User) -> Meter:
    """Return what the models of a run took, of agents this person may see."""
    found = _use_of(run, user).aggregate(uses=Count("pk"), tokens=Sum(_TOKENS), cost=Sum("cost"))
    return Meter(found["uses"], found["tokens"] or 0, found["cost"] or 0, company_currency())


def meters_of_tasks(run: Run, user: User, tasks: Iterable[object]) -> Mapping[str, Meter]:
    """Return what models took for these tasks of a run, by the id of the task as text."""
    wanted = [str(task) for task in tasks if task]
    if not wanted:
        return {}
    rows = (
        _use_of(run, user)
        .filter(task_id__in=wanted)
        .order_by()
        .values("task_id", "model")
        .annotate(uses=Count("pk"), all_tokens=Sum(_TOKENS), all_cost=Sum("cost"))
    )
    currency = company_currency()
    found: dict[str, Meter] = {}
    for row in rows:
        so_far = found.get(row["task_id"], Meter(currency=currency))
        found[row["task_id"]] = Meter(
            so_far.uses + row["uses"],
            so_far.tokens + row["all_tokens"],
            so_far.cost + row["all_cost"],
            currency,
            f"{so_far.models}, {row['model']}" if so_far.models else row["model"],
        )
    return found


def latency_of(run: Run, user: User) -> Latency:
    """Return how long systems took to answer this run, of systems this person may see."""
    calls = visible_calls(user).filter(correlation_id=str(run.pk), finished_at__isnull=False)
    took = F("finished_at") - F("started_at")
    found = calls.order_by().aggregate(calls=Count("pk"), mean=Avg(took), slowest=Max(took))
    if not found["calls"]:
        return Latency()
    words = [length_words(found[name].total_seconds()) for name in ("mean", "slowest")]
    return Latency(found["calls"], *words)


_TOKENS = F("input_tokens") + F("output_tokens")


def _use_of(run: Run, user: User) -> QuerySet[ModelUse]:
    return ModelUse.objects.filter(run_id=str(run.pk), agent__in=visible_agents(user).order_by().values("pk"))
