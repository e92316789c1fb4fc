"""Definitions as the engine reads them. A version never changes, so each process builds it once."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from workflows.runs import engine
from workflows.runs.choices import VersionState
from workflows.runs.engine.comparing import differences
from workflows.runs.models import WorkflowVersion

MOST_KEPT = 200
_kept: OrderedDict[UUID, engine.Definition] = OrderedDict()


def definition_of(version: WorkflowVersion) -> engine.Definition:
    """Return the definition of a version; one that is only proposed is parsed anew."""
    if version.state != WorkflowVersion.State.APPROVED:
        return engine.parse(version.content)
    found = _kept.get(version.pk)
    if found is None:
        found = _kept[version.pk] = engine.load(version.content)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return found


def differences_of(version: WorkflowVersion, before: WorkflowVersion | None) -> list[str]:
    """Return in words what a version changes against another one of its workflow; of a first one nothing."""
    return differences(definition_of(before), definition_of(version)) if before else []


def compared_with(version: WorkflowVersion) -> WorkflowVersion | None:
    """Return what a version is compared with: the one in force, or for that one the approved one before it."""
    current = version.workflow.current
    if current is not None and current.number < version.number:
        return current
    older = version.workflow.versions.filter(state=VersionState.APPROVED, number__lt=version.number)
    return older.order_by("-number").first()
