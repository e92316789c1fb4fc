"""Events as the API gives them, held to docs/ledger-record.schema.json."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from rest_framework.renderers import JSONRenderer

from audit import reading
from audit.models import Event
from audit.serializers import EventSerializer

SCHEMA = Path(__file__).parents[1] / "docs" / "ledger-record.schema.json"


@cache
def validator() -> Any:
    schema = json.loads(SCHEMA.read_text())
    found = jsonschema.Draft202012Validator
    found.check_schema(schema)
    return found(schema, format_checker=found.FORMAT_CHECKER)


def records(events: Any = None) -> list[dict[str, Any]]:
    """Return events, or all there are, as a reader with every right gets them."""
    found = (Event.objects.all() if events is None else events).with_position().select_related("payload")
    sealed = reading.with_leaves(list(found.order_by("id")))
    shown = EventSerializer(sealed, many=True, context={"with_payload": True}).data
    return json.loads(JSONRenderer().render(shown))


def faults(found: Iterable[dict[str, Any]]) -> list[str]:
    """Return what is wrong with each of these records."""
    return [
        f"{one.get('verb')}: {'.'.join(map(str, error.path))} {error.message}"
        for one in found
        for error in validator().iter_errors(one)
    ]
