"""Model use over HTTP: an agent says what its models took, and learns what is left of its budgets."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.decision.budgets import Budget
from agents.models import Agent
from agents.selectors import agent_facts, authority_snapshot
from agents.services import measures
from agents.services.model_use import Spent, report_model_use
from audit.vocabulary import Refusal, RefusalKind
from workflows.api.serializers import StrictSerializer
from workflows.api.tasks import REFUSALS, problem
from workflows.permissions import IsAgent, caller
from workflows.tasks.models import Task

# What one report may say: one that is wrong by far is refused, and does not stop whoever shares a budget.
MOST_TOKENS = 10**8


class CostSerializer(StrictSerializer):
    """What it cost."""

    amount = serializers.RegexField(
        r"^[0-9]{1,4}(\.[0-9]{1,9})?\Z", help_text="In whole units of the currency, as text: 0.0042."
    )
    currency = serializers.RegexField(r"^[A-Z]{3}\Z", help_text="ISO 4217 code.")


class ModelUseSerializer(StrictSerializer):
    """What one call of a model, or some of them, took."""

    key = serializers.CharField(max_length=200, help_text="Names the report: said again, it counts once.")
    model = serializers.CharField(max_length=120, help_text="The model, as its vendor calls it.")
    input_tokens = serializers.IntegerField(min_value=0, max_value=MOST_TOKENS, default=0)
    output_tokens = serializers.IntegerField(min_value=0, max_value=MOST_TOKENS, default=0)
    cost = CostSerializer(required=False, help_text="What it cost, if you know.")
    task = serializers.UUIDField(
        required=False,
        help_text="The task it was spent on; left out, the one you have.",
    )


class BudgetSerializer(serializers.Serializer):
    """One budget as it stands; cost is in millionths of the company currency."""

    code = serializers.CharField()
    name = serializers.CharField()
    unit = serializers.ChoiceField(choices=["tokens", "cost"])
    per_run = serializers.BooleanField(help_text="Counted apart for each run.")
    used = serializers.IntegerField()
    ceiling = serializers.IntegerField(allow_null=True)
    spent = serializers.BooleanField(help_text="Nothing is left of it.")
    stops_work = serializers.BooleanField(
        help_text="Until it starts anew, calls are refused and no work is given."
    )


class BudgetsSerializer(serializers.Serializer):
    """The budgets that count for the agent."""

    budgets = BudgetSerializer(many=True)


class ModelUseView(APIView):
    """What the models of the calling agent took."""

    permission_classes = [IsAgent]

    @extend_schema(operation_id="read_budgets", responses={200: BudgetsSerializer, 401: problem, 403: problem})
    def get(self, request: Request) -> Response:
        """Return what is left of your budgets of model use, outside of any run."""
        agent = _agent(request)
        return _answer(measures.budgets(agent_facts(agent), "", authority_snapshot()), status.HTTP_200_OK)

    @extend_schema(
        operation_id="report_model_use",
        request=ModelUseSerializer,
        responses={201: BudgetsSerializer, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """Say what a model took. It is counted though it is more than was left; what you want next is not."""
        body = ModelUseSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given: dict[str, Any] = body.validated_data
        agent, cost = _agent(request), given.get("cost") or {}
        task = _task(agent, given.get("task"))
        _, budgets = report_model_use(
            actor=agent.user.as_actor(),
            agent=agent,
            key=given["key"],
            spent=Spent(
                model=given["model"],
                input_tokens=given["input_tokens"],
                output_tokens=given["output_tokens"],
                cost=cost.get("amount", ""),
                currency=cost.get("currency", ""),
            ),
            task_id=str(task.pk) if task else "",
            run_id=str(task.references.get("run_id", "")) if task else "",
        )
        return _answer(budgets, status.HTTP_201_CREATED)


def _agent(request: Request) -> Agent:
    found: Agent = Agent.objects.select_related("user").get(user=caller(request))
    return found


def _task(agent: Agent, task_id: Any) -> Task | None:
    if task_id is None:
        return _only_one(agent)
    task = Task.objects.filter(pk=task_id).first()
    if task is None or task.role_id != agent.role_id:
        raise Http404
    if task.claimed_by_id != agent.user_id:
        raise Refusal(
            "task_not_claimed",
            f"The report was refused: {agent.name} has not claimed the task {task.title!r}.",
            next_step="Report it under the task that you claimed.",
        )
    return task


def _only_one(agent: Agent) -> Task | None:
    """Return the task of a run that the agent is at work on: what it takes meanwhile is spent on that."""
    held = Task.objects.filter(claimed_by=agent.user, state=Task.State.CLAIMED, references__has_key="run_id")
    found = list(held[:2])
    if len(found) > 1:
        raise Refusal(
            "task_needed",
            f"The report was refused: {agent.name} has claimed several tasks, and it names none.",
            kind=RefusalKind.INVALID,
            next_step="Say which task it was spent on.",
        )
    return found[0] if found else None


def _answer(budgets: list[Budget], code: int) -> Response:
    told = [
        {
            "code": it.definition.code,
            "name": it.definition.name,
            "unit": it.definition.unit,
            "per_run": bool(it.definition.key.strip()),
            "used": it.facts.reserved + it.facts.settled,
            "ceiling": it.facts.ceiling,
            "spent": it.is_spent,
            "stops_work": it.stops_work,
        }
        for it in budgets
    ]
    return Response({"budgets": told}, status=code)
