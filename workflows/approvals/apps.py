from __future__ import annotations

from django.apps import AppConfig

SEEN = ["approvals.view_approval", "approvals.view_vote", "approvals.view_delegation"]


class ApprovalsConfig(AppConfig):
    name = "workflows.approvals"
    label = "approvals"
    verbose_name = "Approvals"

    def ready(self) -> None:
        from agents import registry
        from audit import visibility
        from audit.registry import register_remedies, register_tellings, register_verbs
        from audit.retention import register_objects_in_use
        from workflows.approvals import evidence, receivers, services
        from workflows.approvals.registry import register_subject
        from workflows.approvals.selectors.approvals import pending
        from workflows.approvals.selectors.load import SEE_ALL

        register_verbs(receivers.VERBS)
        evidence.register_tables()
        register_remedies(receivers.REMEDIES)
        for group in ("Managers", "Auditors"):
            registry.register_role_permissions(group, SEEN)
        seen_by_managers = [services.FOR_OTHERS, services.FOR_ANYBODY, SEE_ALL]
        registry.register_role_permissions("Managers", seen_by_managers)
        register_tellings(receivers.TELLINGS)
        register_objects_in_use("approvals.approval", pending)
        visibility.register("approvals", receivers.visible_events)
        services.register_change_kinds()
        register_subject(receivers.KIND, receivers.CHANGE)
        registry.on_change_request(receivers.on_change_request)
