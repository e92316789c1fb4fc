"""Events as files: CSV for spreadsheets and JSON Lines for programs, written page by page as they are read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import Q

from audit import reading
from audit.models import Event
from audit.services.recording import record_event
from audit.vocabulary import Actor, Ref

DOWNLOADED = "audit.events_downloaded"
LIST_DOWNLOADED = "audit.list_downloaded"
MOST_LISTED = 50_000  # lines of a list
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
# A page keeps a worker of the portal busy until the last line: for more there is ``manage.py list_events``.
MOST_LINES = 100_000
COLUMNS = (
    *("position", "index", "leaf_hash", "id", "occurred_at", "verb", "actor_kind", "actor_id", "actor_label"),
    *("subject_kind", "subject_id", "subject_label", "agent_id", "delegated_id", "action_id", "run_id"),
    *("system_id", "department_id", "operation", "correlation_id", "decision", "code", "effect", "agreement"),
    *("risk", "remedy", "sentence", "reason"),
)
# What a spreadsheet takes for a formula when a cell begins with it; some also by the wide forms of the signs.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def record_download(*, actor: Actor, form: str, most: int | None, narrowed: Sequence[tuple[str, str]]) -> None:
    """Record who takes which events out of the house, before the first line leaves it."""
    what = "; ".join(f"{label.lower()}: {value}" for label, value in narrowed) or "everything they may see"
    with transaction.atomic():
        record_event(
            actor=actor,
            verb=DOWNLOADED,
            subject=Ref("audit.event", "", "Ledger"),
            sentence=f"{actor.label} downloaded events as {form.upper()} ({what}).",
            payload={"format": form, "most": most, "filters": dict(narrowed)},
        )


def record_list_download(*, actor: Actor, kind: str, name: str, filters: Mapping[str, str]) -> None:
    """Record who takes which list along (``kind``: of what), before its first line leaves the house."""
    sentence = f"{actor.label} downloaded the list of {name}."
    if filters:
        narrowed = ", ".join(f"{key} {value}" for key, value in filters.items())
        sentence = f"{actor.label} downloaded the list of {name}, narrowed: {narrowed}."
    with transaction.atomic():
        record_event(
            actor=actor,
            verb=LIST_DOWNLOADED,
            subject=Ref(kind, "", name),
            sentence=sentence,
            payload={"filters": dict(filters), "most": MOST_LISTED},
        )


def newest_id() -> Any:
    """Return an id above every event there is now: what comes later is not part of a download."""
    found = Event.objects.order_by("-id").values_list("id", flat=True).first()
    return reading.above(found) if found else reading.OLDEST


def lines(
    form: str,
    *,
    user: Any,
    question: reading.Question,
    period: Q,
    until: Any,
    most: int,
    with_payload: bool,
) -> Iterator[str]:
    """Yield the lines of a file, newest first. None for the user sees everything."""
    given = {"until": until, "period": period, "most": most, "with_payload": with_payload}
    pages = reading.everything(user, question, **given)
    return _csv(pages, with_payload) if form == "csv" else _jsonl(pages, with_payload)


def safe_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: what begins like one gets an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _csv(pages: Iterable[list[Event]], with_payload: bool) -> Iterator[str]:
    names = [*COLUMNS, *(["payload"] if with_payload else [])]
    yield written([names])
    for events in pages:
        rows = _rows(events, with_payload)
        yield written([[safe_cell(_flat(row[name])) for name in names] for row in rows])


def written(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows of cells as lines of CSV (RFC 4180)."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def _flat(value: Any) -> Any:
    if value is None or value == {}:
        return ""
    return _json(value) if isinstance(value, dict | list) else value


def _jsonl(pages: Iterable[list[Event]], with_payload: bool) -> Iterator[str]:
    for events in pages:
        yield "".join(f"{_json(row)}\n" for row in _rows(events, with_payload))


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))


def _rows(events: list[Event], with_payload: bool) -> Iterator[dict[str, Any]]:
    for event in reading.with_leaves(events):
        row = {name: getattr(event, name) for name in COLUMNS if name not in ("index", "leaf_hash")}
        row["index"] = None if row["position"] is None else row["position"] - 1
        row["leaf_hash"] = event.leaf_hash  # type: ignore[attr-defined]
        row["id"] = str(event.pk)
        row["occurred_at"] = event.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ordered = {name: row[name] for name in COLUMNS}
        if with_payload:
            payload = getattr(event, "payload", None)
            ordered["payload"] = payload.data if payload else None
        yield ordered
