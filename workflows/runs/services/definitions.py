"""Definitions as the engine reads them. A version never changes, so each process builds it once."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from workflows.runs import engine
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
