from __future__ import annotations

from django.apps import AppConfig

MODELS = ("watchedfolder", "schedule", "webhook", "eventtrigger")
READ = [f"triggers.view_{model}" for model in MODELS]
GROUPS = {
    "Managers": [*READ, *(f"triggers.{verb}_{model}" for verb in ("add", "change") for model in MODELS)],
    "Operators": READ,
    "Auditors": READ,
}
VERBS = {
    "triggers.folder_saved": "A folder was set to start runs, or how it does was changed.",
    "triggers.file_refused": "A file in a watched folder was refused.",
    "triggers.trigger_saved": "Something was set to start runs by itself, or how it does was changed.",
    "triggers.start_refused": "Something came that should start a run, and none was started.",
    "triggers.times_skipped": "Due times of a schedule passed without a run, and are not made up for.",
    "triggers.webhook_secret_issued": "A sender was given a secret to sign messages with.",
    "triggers.webhook_secret_revoked": "The secrets of a webhook were made void.",
}


class TriggersConfig(AppConfig):
    name = "workflows.triggers"
    label = "triggers"
    verbose_name = "What starts workflows"

    def ready(self) -> None:
        from agents.registry import register_role_permissions
        from audit import visibility
        from audit.registry import register_verbs
        from workflows.triggers import selectors

        for group, permissions in GROUPS.items():
            register_role_permissions(group, permissions)
        register_verbs(VERBS)
        visibility.register("triggers", selectors.visible_events)
