from __future__ import annotations

from django.apps import AppConfig

GROUPS = {
    "Managers": ["appeals.view_appeal", "appeals.view_proposal"],
    "Auditors": ["appeals.view_appeal", "appeals.view_proposal"],
}
VERBS = {
    "appeals.appeal_made": "An agent contests a denial.",
    "appeals.appeal_refused": "An agent may not contest this, or not now.",
    "appeals.appeal_answered": "A person answered an appeal. The denied action stays denied.",
    "appeals.appeal_lapsed": "An appeal was closed without an answer.",
    "appeals.proposal_made": "Several appeals ask for the same change. Nothing is changed by it.",
    "appeals.proposal_taken_up": "A person proposes what several appeals ask for, by the usual way.",
    "appeals.proposal_dismissed": "A person put aside what several appeals ask for.",
    "appeals.proposal_gone": "Too few appeals are left for what they asked for.",
}


class AppealsConfig(AppConfig):
    name = "workflows.appeals"
    label = "appeals"
    verbose_name = "Appeals"

    def ready(self) -> None:
        from agents.registry import register_role_permissions
        from audit import evidence, visibility
        from audit.registry import register_verbs
        from workflows.appeals import selectors, services
        from workflows.tasks.registry import on_task_closed

        for group, permissions in GROUPS.items():
            register_role_permissions(group, permissions)
        register_verbs(VERBS)
        evidence.register(
            evidence.event_table(
                "approvals.appeals",
                "Denials that agents contested",
                "Appeals and their answers, and what people made of several that ask for the same.",
                tuple(VERBS),
                empty="No agent contested a denial in this period.",
            )
        )
        visibility.register("appeals", selectors.visible_events)
        on_task_closed("appeals.appeal", services.on_task_closed)
