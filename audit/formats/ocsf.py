"""OCSF 1.3, class API Activity (6003): https://schema.ocsf.io/1.3.0/classes/api_activity."""

from __future__ import annotations

from typing import Any

from audit.formats.told import PRODUCT, Told, json_line, members

VERSION = "1.3.0"
CATEGORY, CLASS = 6, 6003
OTHER = 99
# What the last word of a verb says of the activity; any other is 99, with the verb as its name.
ACTIVITIES = {
    1: {"added", "asked", "created", "given", "issued", "made", "opened", "proposed", "raised", "registered"},
    2: {"downloaded", "exported", "read", "viewed"},
    3: {"changed", "described", "edited", "moved", "reassigned", "saved", "set", "switched", "updated"},
    4: {"deleted", "dropped", "erased", "gone", "lifted", "removed", "retired", "revoked", "withdrawn"},
}
ACTIVITY_NAMES = {1: "Create", 2: "Read", 3: "Update", 4: "Delete"}
STATUSES = {"success": (1, "Success"), "failure": (2, "Failure"), "unknown": (0, "Unknown")}
ACTORS = {"person": (1, "User"), "system": (3, "System"), "agent": (OTHER, "Agent")}


def line(told: Told) -> str:
    """Return one line of JSON without its end."""
    return json_line(event(told))


def event(told: Told) -> dict[str, Any]:
    """Return an event as API Activity; everything that has no place there is ``unmapped``."""
    activity = activity_of(told["verb"])
    status, status_name = STATUSES[told.outcome]
    return {
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "class_uid": CLASS,
        "class_name": "API Activity",
        "activity_id": activity,
        "activity_name": ACTIVITY_NAMES.get(activity, told["verb"]),
        "type_uid": CLASS * 100 + activity,
        "time": int(told.at.timestamp() * 1000),
        "severity_id": told.level.ocsf,
        "severity": told.level.name,
        "status_id": status,
        "status": status_name,
        **_said(told, status_code="code", message="sentence", status_detail="reason"),
        "metadata": _metadata(told),
        "actor": {"user": _user(told["actor_kind"], told["actor_id"], told["actor"])},
        "api": {
            "operation": told["operation"] or told["verb"],
            "service": {"name": PRODUCT},
            "request": {"uid": told["action_id"] or told["correlation_id"] or told.id},
        },
        "resources": [_resource(told)],
        # Where a request came from is in no event; this is the service that says so.
        "src_endpoint": {"svc_name": PRODUCT},
        "unmapped": members(told),
    }


def activity_of(verb: str) -> int:
    """Return what OCSF calls the activity of a verb."""
    word = verb.rpartition("_")[2]
    return next((number for number, words in ACTIVITIES.items() if word in words), OTHER)


def _metadata(told: Told) -> dict[str, Any]:
    return {
        "version": VERSION,
        "product": {"name": "Autonomy OS", "vendor_name": "Autonomy OS", "feature": {"name": "ledger"}},
        "uid": told.id,
        "sequence": told.index,
        "event_code": told["verb"],
        "log_name": "ledger",
        **_said(told, correlation_uid="correlation_id"),
    }


def _user(kind: str, uid: str, name: str) -> dict[str, Any]:
    number, called = ACTORS.get(kind, (0, "Unknown"))
    return {"uid": uid, "type_id": number, "type": called} | ({"name": name} if name else {})


def _resource(told: Told) -> dict[str, Any]:
    named = _said(told, uid="subject_id", name="subject")
    return {"type": told["subject_kind"], **(named or {"name": told["subject_kind"]})}


def _said(told: Told, **names: str) -> dict[str, str]:
    return {ours: said for ours, name in names.items() if (said := told[name])}
