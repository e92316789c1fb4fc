from __future__ import annotations

from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "workflows.tasks"
    label = "tasks"
    verbose_name = "Tasks"

    def ready(self) -> None:
        from audit.registry import register_verbs

        register_verbs(
            {
                "tasks.task_opened": "Something waits for somebody.",
                "tasks.task_claimed": "Somebody took a task.",
                "tasks.task_released": "A task went back to its candidates.",
                "tasks.task_completed": "A task was done.",
                "tasks.task_cancelled": "A task is no longer needed.",
                "tasks.task_expired": "A task was not done in time.",
                "tasks.task_commented": "Somebody commented on a task.",
            }
        )
