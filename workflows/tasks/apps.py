from __future__ import annotations

from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "workflows.tasks"
    label = "tasks"
    verbose_name = "Tasks"
