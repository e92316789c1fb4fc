from __future__ import annotations

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "workflows"
    label = "workflows"
    verbose_name = "Work"

    def ready(self) -> None:
        from audit.registry import on_sequenced
        from workflows.broadcast import announce

        on_sequenced(announce)
