from __future__ import annotations

from django.apps import AppConfig


class ActionsConfig(AppConfig):
    name = "workflows.actions"
    label = "actions"
    verbose_name = "Actions"
