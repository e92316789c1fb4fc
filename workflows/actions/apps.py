from __future__ import annotations

from django.apps import AppConfig

STANDING = ["actions.view_standingapproval", "actions.revoke_standingapproval"]
GROUPS = {
    "Managers": ["actions.view_action", "actions.preview_decision", *STANDING],
    "Operators": ["actions.view_action", "actions.resolve_action", *STANDING],
    "Auditors": [
        "actions.view_action",
        "actions.view_standingapproval",
        "actions.view_lease",
        "actions.view_idempotencykey",
    ],
}


class ActionsConfig(AppConfig):
    name = "workflows.actions"
    label = "actions"
    verbose_name = "Actions"

    def ready(self) -> None:
        from agents.registry import (
            StopDuty,
            on_throttle_loosened,
            register_contract_note,
            register_role_permissions,
            register_stop_duty,
            register_throttle_count,
        )
        from audit import visibility
        from audit.offers import register_own_rows
        from audit.registry import (
            register_invariants,
            register_opening,
            register_remedies,
            register_tellings,
            register_verbs,
        )
        from workflows.actions import evidence, invariants, receivers, selectors, services
        from workflows.actions.registry import on_actions_ended
        from workflows.actions.selectors import turns
        from workflows.actions.services import erasing
        from workflows.approvals.registry import register_subject
        from workflows.tasks.registry import register_awaited

        register_verbs(receivers.VERBS)
        evidence.register_tables()
        register_remedies(receivers.REMEDIES)
        register_invariants(invariants.INVARIANTS)
        for group, permissions in GROUPS.items():
            register_role_permissions(group, permissions)
        register_stop_duty(
            StopDuty(
                "calls",
                "Calls that had left before it",
                "of them not back yet",
                lambda stop: 0,  # what has left cannot be taken back, only waited for
                selectors.calls_under_way,
            )
        )
        on_actions_ended(services.pass_on)
        on_throttle_loosened(receivers.on_throttle_loosened)
        register_throttle_count("Calls being done", lambda at: turns.being_done(at).count())
        register_throttle_count("Calls that wait for their turn", lambda at: turns.line_of(at).count())
        register_subject("actions.action", receivers.ACTION)
        services.register_change_kinds()
        erasing.register_classes()
        register_contract_note(selectors.contract_words)
        register_own_rows("standing-agents", selectors.agents_of_standing)
        register_awaited("actions.action", receivers.is_awaited)
        register_opening("actions.action", receivers.opening_of)
        register_tellings(receivers.TELLINGS)
        visibility.register("actions", receivers.visible_events)
