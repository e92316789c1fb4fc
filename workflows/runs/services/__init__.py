"""Start runs, move them on, steer them; publish the workflows they follow."""

from __future__ import annotations

from workflows.runs.services.checking import as_text, changes_of, findings_of
from workflows.runs.services.children import release_stopped
from workflows.runs.services.clocks import start_clocks, stop_clocks
from workflows.runs.services.definitions import compared_with, differences_of
from workflows.runs.services.failing import fail_step, why_not_failed
from workflows.runs.services.holding import release_held
from workflows.runs.services.interventions import cancel_run, compensate_run, migrate_run, retry_run
from workflows.runs.services.layouts import keep_layout, layout_of, parsed_layout
from workflows.runs.services.portal import find_signal_verb, find_verb, install_portal, signal_verb, start_verb
from workflows.runs.services.publishing import (
    CHANGE_KIND,
    apply_version,
    checked,
    current_version,
    note_decision,
    propose_version,
    set_enabled,
)
from workflows.runs.services.signals import (
    Sent,
    run_named,
    send_signal,
    send_signal_for_agent,
    send_signal_within,
    signals_of,
    signals_of_run,
)
from workflows.runs.services.starting import (
    Started,
    start_run,
    start_run_for_agent,
    start_run_within,
)
from workflows.runs.services.steering import (
    Cancel,
    ChangeDeadline,
    ChangePriority,
    Compensate,
    Effect,
    Migrate,
    Override,
    Pause,
    Redirect,
    Rerun,
    Resume,
    Retry,
    Skip,
    Taker,
    Verb,
    deadline_of,
    may_steer,
    name_of,
    preview_steering,
    steer_run,
    steer_within,
    taker,
    verbs_of_run,
    verbs_of_steps,
    who_could_take,
)
from workflows.runs.services.sweeping import sweep_runs
from workflows.runs.services.taking_along import record_evidence_taken, record_list_taken
from workflows.runs.services.ticking import MOST_LOOKS, tick
from workflows.runs.services.unclaimed import why_unclaimed

__all__ = [
    "CHANGE_KIND",
    "MOST_LOOKS",
    "Cancel",
    "ChangeDeadline",
    "ChangePriority",
    "Compensate",
    "Effect",
    "Migrate",
    "Override",
    "Pause",
    "Redirect",
    "Rerun",
    "Resume",
    "Retry",
    "Sent",
    "Skip",
    "Started",
    "Taker",
    "Verb",
    "apply_version",
    "as_text",
    "cancel_run",
    "changes_of",
    "checked",
    "compared_with",
    "compensate_run",
    "current_version",
    "deadline_of",
    "differences_of",
    "fail_step",
    "find_signal_verb",
    "find_verb",
    "findings_of",
    "install_portal",
    "keep_layout",
    "layout_of",
    "may_steer",
    "migrate_run",
    "name_of",
    "note_decision",
    "parsed_layout",
    "preview_steering",
    "propose_version",
    "record_evidence_taken",
    "record_list_taken",
    "release_held",
    "release_stopped",
    "retry_run",
    "run_named",
    "send_signal",
    "send_signal_for_agent",
    "send_signal_within",
    "set_enabled",
    "signal_verb",
    "signals_of",
    "signals_of_run",
    "start_clocks",
    "start_run",
    "start_run_for_agent",
    "start_run_within",
    "start_verb",
    "steer_run",
    "steer_within",
    "stop_clocks",
    "sweep_runs",
    "taker",
    "tick",
    "verbs_of_run",
    "verbs_of_steps",
    "who_could_take",
    "why_not_failed",
    "why_unclaimed",
]
