"""What an agent may do once an action has ended without an effect: no ending leaves it without a next step."""

from __future__ import annotations

from agents.decision.wording import next_after_denial
from workflows.actions.choices import FINAL, State

# The codes with which actions end, beside those of a decision (``agents.decision.wording``).
NEXT = {
    "rejected": "Change what was objected to and ask again with a new idempotency key, or leave it.",
    "approval_expired": "Ask again with a new idempotency key if it is still needed, or tell your sponsor.",
    "authorization_expired": "Ask again with a new idempotency key if it is still needed.",
    "withdrawn": "Nothing is left to do. Ask again with a new idempotency key if it is needed after all.",
    "no_longer_wanted": "Leave it; the work it belongs to is over.",
    "arguments_changed": "Ask again with a new idempotency key; people then decide on what it is now.",
    "replaced_by_person": "Follow the action that takes its place. Do not ask again for the same.",
    "standing_approval_over": "Ask again with a new idempotency key; people then decide on it.",
    "operation_changed": "Read the operation again and ask with a new idempotency key.",
    "resolved_by_person": "Go by what the person found; do not repeat it if it was done.",
    "not_done": "It was not done. Ask again with a new idempotency key if it is still needed.",
    "no_answer": "Ask again later with a new idempotency key.",
    "refused_by_system": "Correct what the system refused and ask again with a new idempotency key.",
}
_BY_STATE = {
    State.REJECTED: NEXT["rejected"],
    State.EXPIRED: NEXT["approval_expired"],
    State.WITHDRAWN: NEXT["withdrawn"],
    State.SUPERSEDED: NEXT["arguments_changed"],
    State.STOPPED: next_after_denial("stopped"),
    State.FAILED: NEXT["refused_by_system"],
}


def next_step_of(state: str, code: str) -> str:
    """Return the legal next move after an ending that says none itself; empty while nothing is to be done."""
    if state not in FINAL or state == State.CONFIRMED:
        return ""
    return NEXT.get(code) or _BY_STATE.get(State(state)) or next_after_denial(code)
