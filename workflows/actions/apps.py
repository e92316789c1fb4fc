from __future__ import annotations

from django.apps import AppConfig

GROUPS = {
    "Managers": ["actions.view_action", "actions.preview_decision"],
    "Operators": ["actions.view_action", "actions.resolve_action"],
    "Auditors": ["actions.view_action", "actions.view_lease", "actions.view_idempotencykey"],
}


class ActionsConfig(AppConfig):
    name = "workflows.actions"
    label = "actions"
    verbose_name = "Actions"

    def ready(self) -> None:
        from agents.registry import register_role_permissions
        from audit import visibility
        from audit.registry import register_verbs
        from workflows.actions import receivers
        from workflows.approvals.registry import register_subject
        from workflows.tasks.registry import register_awaited

        register_verbs(receivers.VERBS)
        for group, permissions in GROUPS.items():
            register_role_permissions(group, permissions)
        register_subject("actions.action", receivers.ACTION)
        register_awaited("actions.action", receivers.is_awaited)
        visibility.register("actions", receivers.visible_events)
