"""A version in force, as the set-up of a test that is about something else than proposing and approving it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any
from uuid import UUID

import yaml
from django.contrib.auth.models import Group
from django.db.models import Max
from django.utils import timezone

from connectors.policies.digests import digest_of
from workflows.runs.models import Workflow, WorkflowVersion
from workflows.runs.services import checked


def written(content: dict[str, Any]) -> str:
    """Return a definition as YAML without aliases."""
    return yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False)


def in_force(author: Any, approver: Any, content: dict[str, Any]) -> Workflow:
    """Write what proposing and approving leave behind, without the question, the votes and the record.

    The definition is checked as ever, once for all tests that use the same. Its key is the same for all of them
    too, so that what this process worked out of it is kept; keys still follow the numbers.
    """
    text, found, definition = _checked(json.dumps(content))
    workflow = Workflow.objects.filter(code=definition.code).first() or _new(definition)
    number, digest = (workflow.versions.aggregate(Max("number"))["number__max"] or 0) + 1, digest_of(found)
    version = WorkflowVersion(
        id=UUID(f"{number:08x}{digest[:24]}"),
        workflow=workflow,
        number=number,
        text=text,
        content=found,
        sha256=digest,
        state=WorkflowVersion.State.APPROVED,
        reason="set up for a test",
        proposed_by=author,
        approved_by=approver,
        decided_at=timezone.now(),
    )
    WorkflowVersion.objects.bulk_create([version])
    owner = Group.objects.get(name=definition.owner)
    Workflow.objects.filter(pk=workflow.pk).update(
        current=version, name=definition.name, purpose=definition.purpose, owner=owner
    )
    return Workflow.objects.get(pk=workflow.pk)


@lru_cache(maxsize=256)
def _checked(content: str) -> tuple[str, dict[str, Any], Any]:
    text = written(json.loads(content))
    return text, *checked(text)


def _new(definition: Any) -> Workflow:
    owner = Group.objects.get(name=definition.owner)
    made = Workflow(code=definition.code, name=definition.name, purpose=definition.purpose, owner=owner)
    Workflow.objects.bulk_create([made])
    return made
