from __future__ import annotations

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "workflows.approvals"
    label = "approvals"
    verbose_name = "Approvals"

    def ready(self) -> None:
        from agents import registry
        from audit.registry import register_verbs
        from workflows.approvals import receivers
        from workflows.approvals.registry import register_subject

        register_verbs(receivers.VERBS)
        register_subject(receivers.KIND, receivers.CHANGE)
        registry.on_change_request(receivers.on_change_request)
