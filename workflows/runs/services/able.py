"""What the engine's hand executes today, the one list of it: nothing else is published.

``workflows.runs.engine`` understands more. A kind or a member comes in here with the code that does it.
"""

from __future__ import annotations

ABLE: dict[str, frozenset[str]] = {
    kind: frozenset({*members.split(), "owner"})
    for kind, members in {
        "agent": "role department needs same_agent_as give answer title due_seconds attempts retry "
        "timeouts priority "
        "next failed",
        "operation": "role department needs same_agent_as operation arguments due_seconds next refused undo "
        "retry timeouts when_down stop_clock",
        "human": "groups exception title show form due_seconds deadlines priority next",
        "gate": "role department needs same_agent_as operation arguments next",
        "sub": "workflow give key next failed",
        "wait": "seconds until signal match timeout_seconds late next",
        "parallel": "branches join",
        "map": "over item do join most_at_once tolerate failed",
        "join": "need rest collect next failed",
        "branch": "next",
        "compensate": "of next failed",
        "end": "outcome output compensate",
    }.items()
}
