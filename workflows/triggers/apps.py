from __future__ import annotations

from django.apps import AppConfig

GROUPS = {
    "Managers": [
        "triggers.view_watchedfolder",
        "triggers.add_watchedfolder",
        "triggers.change_watchedfolder",
    ],
    "Operators": ["triggers.view_watchedfolder"],
    "Auditors": ["triggers.view_watchedfolder"],
}


class TriggersConfig(AppConfig):
    name = "workflows.triggers"
    label = "triggers"
    verbose_name = "What starts workflows"

    def ready(self) -> None:
        from agents.registry import register_role_permissions
        from audit.registry import register_verbs

        for group, permissions in GROUPS.items():
            register_role_permissions(group, permissions)
        register_verbs(
            {
                "triggers.folder_saved": "A folder was set to start runs, or how it does was changed.",
                "triggers.file_refused": "A file in a watched folder was refused.",
            }
        )
