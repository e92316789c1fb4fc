from __future__ import annotations

from django.apps import AppConfig


class StaffingConfig(AppConfig):
    name = "workflows.staffing"
    label = "staffing"
    verbose_name = "Employment of agents"

    def ready(self) -> None:
        from agents import registry
        from workflows.staffing import selectors, services
        from workflows.tasks.registry import register_decided_elsewhere

        registry.register_evidence(selectors.evidence_of, selectors.breach_counts)
        registry.register_in_hand(selectors.in_hand_of)
        registry.register_handover("work", services.work_left)
        registry.register_handover("actions", services.actions_left)
        registry.register_handover("roles", services.roles_left)
        registry.on_employment_news(services.note_news)
        for subject, where in services.DECIDED_ELSEWHERE.items():
            register_decided_elsewhere(subject, where)
