from __future__ import annotations

from django.apps import AppConfig


class ActionsConfig(AppConfig):
    name = "workflows.actions"
    label = "actions"
    verbose_name = "Actions"

    def ready(self) -> None:
        from audit import visibility
        from audit.registry import register_verbs
        from workflows.actions import receivers
        from workflows.approvals.registry import register_subject

        register_verbs(receivers.VERBS)
        register_subject("actions.action", receivers.ACTION)
        visibility.register("actions", receivers.visible_events)
