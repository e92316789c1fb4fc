from __future__ import annotations

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "workflows.demo"
    label = "demo"
    verbose_name = "Demo company"
