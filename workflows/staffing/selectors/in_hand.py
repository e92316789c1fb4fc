"""What agents have in hand now, and which workflows need an agent, or a role."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from django.db.models import BooleanField, Count, F, Func, Q, QuerySet
from django.db.models.expressions import RawSQL

from agents.models import Agent, Role
from agents.registry import InHand
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.runs.models import Workflow
from workflows.tasks.models import Task

# Of so many of its newest actions it is read which workflows they were part of.
NEWEST = 300


def in_hand_of(keys: Collection[UUID]) -> dict[UUID, InHand]:
    """Return what each of some agents has in hand and waits for, with two questions for all of them."""
    counts: dict[UUID, dict[str, int]] = defaultdict(lambda: {"working": 0, "waiting": 0, "doubts": 0})
    opened = Action.objects.filter(agent__in=keys, finished_at=None).order_by()
    for row in opened.values("agent").annotate(
        waiting=Count("pk", filter=Q(state=State.HELD)),
        doubts=Count("pk", filter=Q(state=State.IN_DOUBT)),
        working=Count("pk", filter=~Q(state__in=[State.HELD, State.IN_DOUBT])),
    ):
        counts[row["agent"]] = {name: row[name] for name in ("working", "waiting", "doubts")}
    claimed = Task.objects.filter(claimed_by__agent__in=keys, state=Task.State.CLAIMED).order_by()
    by_agent = claimed.values_list("claimed_by__agent").annotate(number=Count("pk"))
    for key, number in by_agent:
        counts[key]["working"] += number
    return {key: InHand(**found) for key, found in counts.items()}


def workflows_for_role(role: Role, visible: QuerySet[Workflow]) -> QuerySet[Workflow]:
    """Return the workflows whose version in force has work for a role, wherever in it that stands."""
    return _whose_version_says(visible, "$.**.role ? (@ == $code)", role.code)


def workflows_using(operations: Collection[str], visible: QuerySet[Workflow]) -> QuerySet[Workflow]:
    """Return the workflows whose version in force names one of some operations by its code."""
    codes = "|".join(code.replace(".", "[.]") for code in sorted(operations))
    if not codes:
        return visible.none()
    return _whose_version_says(visible, f'$.**.operation ? (@ like_regex "^({codes})$")', "")


def _whose_version_says(visible: QuerySet[Workflow], path: str, code: str) -> QuerySet[Workflow]:
    says = Func(
        F("current__content"),
        RawSQL("%s::jsonpath", [path]),
        RawSQL("%s::jsonb", [json.dumps({"code": code})]),
        function="jsonb_path_exists",
        output_field=BooleanField(),
    )
    return visible.annotate(says=says).filter(says=True, is_enabled=True, current__isnull=False)


def workflows_of(agent: Agent, visible: QuerySet[Workflow]) -> list[tuple[Workflow, int]]:
    """Return the workflows that the newest actions of an agent were part of, and how many of these each had."""
    newest = Action.objects.filter(agent=agent).order_by("-pk").values_list("references", flat=True)[:NEWEST]
    counts: dict[str, int] = defaultdict(int)
    for references in newest:
        if key := str(references.get("workflow_id", "")):
            counts[key] += 1
    found = visible.filter(pk__in=list(counts))
    return sorted(((it, counts[str(it.pk)]) for it in found), key=lambda each: (-each[1], each[0].name))
