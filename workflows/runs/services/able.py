"""What the engine's hand executes today, the one list of it: nothing else is published.

``workflows.runs.engine`` understands more. A kind or a member comes in here with the code that does it.
"""

from __future__ import annotations

ABLE: dict[str, frozenset[str]] = {
    "agent": frozenset(
        {
            "role",
            "department",
            "give",
            "answer",
            "title",
            "due_seconds",
            "attempts",
            "priority",
            "next",
            "failed",
        }
        | {"owner"}
    ),
    "operation": frozenset(
        {"role", "department", "operation", "arguments", "due_seconds", "next", "refused", "undo", "owner"}
    ),
    "human": frozenset(
        {"groups", "exception", "title", "show", "form", "due_seconds", "priority", "next", "owner"}
    ),
    "gate": frozenset({"role", "department", "operation", "arguments", "next", "owner"}),
    "wait": frozenset({"seconds", "until", "next", "owner"}),
    "parallel": frozenset({"branches", "join", "owner"}),
    "map": frozenset({"over", "item", "do", "join", "most_at_once", "tolerate", "failed", "owner"}),
    "join": frozenset({"need", "rest", "collect", "next", "failed", "owner"}),
    "branch": frozenset({"next", "owner"}),
    "end": frozenset({"outcome", "output", "owner"}),
}
