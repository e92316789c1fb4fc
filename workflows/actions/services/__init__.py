"""The one path every effect takes: ask, decide, hold, decide again, reserve, execute, read back, settle."""

from __future__ import annotations

from workflows.actions.services.asking import (
    KEY_CHARACTERS,
    Ask,
    preview_decision,
    request_action,
    request_within,
)
from workflows.actions.services.asking_together import Wish, request_together
from workflows.actions.services.clocks import stand_while_paused
from workflows.actions.services.deciding import decide_again, let_go
from workflows.actions.services.editing import edit_action
from workflows.actions.services.ending import (
    drop_action,
    expire_due,
    expired,
    rejected,
    resolve_in_doubt,
    withdraw_action,
)
from workflows.actions.services.executing import dispatch_action, do_action, run_action
from workflows.actions.services.executing_together import do_actions, hint_actions
from workflows.actions.services.explaining import explanation
from workflows.actions.services.reconciling import look_up_early, reconcile_action
from workflows.actions.services.standing import (
    MOST_LINES,
    MOST_USES,
    REVOKE,
    Bounds,
    propose_standing_approval,
    register_change_kinds,
    revoke_standing_approval,
)
from workflows.actions.services.sweeping import sweep_due
from workflows.actions.services.turns import WAITS, give_turns, pass_on, take_turns

__all__ = [
    "KEY_CHARACTERS",
    "MOST_LINES",
    "MOST_USES",
    "REVOKE",
    "WAITS",
    "Ask",
    "Bounds",
    "Wish",
    "decide_again",
    "dispatch_action",
    "do_action",
    "do_actions",
    "drop_action",
    "edit_action",
    "expire_due",
    "expired",
    "explanation",
    "give_turns",
    "hint_actions",
    "let_go",
    "look_up_early",
    "pass_on",
    "preview_decision",
    "propose_standing_approval",
    "reconcile_action",
    "register_change_kinds",
    "rejected",
    "request_action",
    "request_together",
    "request_within",
    "resolve_in_doubt",
    "revoke_standing_approval",
    "run_action",
    "stand_while_paused",
    "sweep_due",
    "take_turns",
    "withdraw_action",
]
