"""OpenTelemetry logs as JSON (OTLP 1.x, ExportLogsServiceRequest): one request holds many events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audit.formats.told import PRODUCT, Told, json_line, members


def line(told: Told) -> str:
    """Return a request with one event, on one line, as collectors write such files."""
    return request([told])


def request(many: Iterable[Told]) -> str:
    """Return a request for ``/v1/logs``."""
    scope = {"scope": {"name": "ledger"}, "logRecords": [record(told) for told in many]}
    resource = {"attributes": [_attribute("service.name", PRODUCT)]}
    return json_line({"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]})


def record(told: Told) -> dict[str, Any]:
    """Return an event as a log record; ``log.record.uid`` stays the same when it is sent again."""
    nanoseconds = str(int(told.at.timestamp()) * 10**9 + told.at.microsecond * 1000)
    attributes = {"log.record.uid": told.id} | {f"ledger.{name}": said for name, said in members(told).items()}
    return {
        "timeUnixNano": nanoseconds,
        "observedTimeUnixNano": nanoseconds,
        "severityNumber": told.level.otlp,
        "severityText": told.level.name,
        "eventName": told["verb"],
        "body": {"stringValue": told["sentence"] or told["verb"]},
        "attributes": [_attribute(name, value) for name, value in attributes.items()],
    }


def _attribute(name: str, value: Any) -> dict[str, Any]:
    return {"key": name, "value": _any_value(value)}


def _any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"stringValue": value if isinstance(value, str) else json_line(value)}
