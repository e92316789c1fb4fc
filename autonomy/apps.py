from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class PortalAdminConfig(admin_apps.AdminConfig):
    """The admin, with our site as the one that all rooms register with."""

    default = False  # of the app ``autonomy``
    default_site = "autonomy.site.PortalAdminSite"


class AutonomyConfig(AppConfig):
    name = "autonomy"
    label = "autonomy"
    verbose_name = "Autonomy OS"

    def ready(self) -> None:
        from autonomy import checks  # noqa: F401 - they register themselves
        from autonomy.labels import translate_labels

        translate_labels()
