"""Where the boxes of a picture stand: kept beside a version, apart from what it does."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from agents.policies import require_reason
from agents.services.history import lock_row
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.runs.engine.schema import MOST_NODES, NODE
from workflows.runs.models import Layout, WorkflowVersion
from workflows.runs.services.publishing import author_of

FARTHEST = 100_000


def keep_layout(*, actor: Actor, version: WorkflowVersion, layout: Mapping[str, Any], reason: str) -> Layout:
    """Keep where somebody put the boxes of a version: ``{"direction": "TB", "at": {node: [x, y]}}``.

    Raises Refusal: not_permitted, layout_invalid, reason_missing. What is no node of the version is left out.
    """
    with transaction.atomic():
        author = author_of(actor)
        require_reason(reason)
        version = lock_row(WorkflowVersion, version.pk)
        direction, at = read_layout(layout)
        at = {key: place for key, place in at.items() if key in version.content["nodes"]}
        kept, _ = Layout.objects.update_or_create(
            version=version, defaults={"direction": direction, "at": at, "kept_by": author}
        )
        record_event(
            actor=actor,
            verb="runs.layout_kept",
            subject=version.as_ref(),
            sentence=f"{actor.label} arranged the picture of {version}",
            reason=reason,
            payload={"workflow": version.workflow.code, "number": version.number, "boxes": len(at)},
        )
        return kept


def read_layout(layout: Mapping[str, Any]) -> tuple[str, dict[str, list[int]]]:
    """Return the direction and the places of a layout; raises Refusal ``layout_invalid`` for anything else."""
    direction, at = layout.get("direction", Layout.Direction.DOWN), layout.get("at", {})
    if direction not in Layout.Direction.values or not isinstance(at, Mapping) or len(at) > MOST_NODES:
        raise _invalid()
    return str(direction), {_key(key): _place(place) for key, place in at.items()}


def parsed_layout(text: str) -> dict[str, Any] | None:
    """Return what a form says of the layout; None when it says nothing that is kept."""
    try:
        found = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("at"), dict) and found["at"] else None


def layout_of(version: WorkflowVersion | None) -> dict[str, Any]:
    """Return the layout of a version as pages draw it; empty when nobody arranged it."""
    kept = Layout.objects.filter(version=version).first() if version is not None else None
    return {"direction": kept.direction, "at": kept.at} if kept else {}


def _key(key: Any) -> str:
    if not isinstance(key, str) or not re.fullmatch(NODE, key):
        raise _invalid()
    return key


def _place(place: Any) -> list[int]:
    if not isinstance(place, list) or len(place) != 2 or not all(_is_number(one) for one in place):
        raise _invalid()
    return [round(one) for one in place]


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and abs(value) <= FARTHEST


def _invalid() -> Refusal:
    return Refusal(
        "layout_invalid",
        "The layout was not kept: it does not say where boxes stand.",
        kind=RefusalKind.INVALID,
        next_step="Arrange the picture anew.",
    )
