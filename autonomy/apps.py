from __future__ import annotations

from django.apps import AppConfig


class AutonomyConfig(AppConfig):
    name = "autonomy"
    label = "autonomy"
    verbose_name = "Autonomy OS"

    def ready(self) -> None:
        from autonomy import checks  # noqa: F401 - they register themselves
