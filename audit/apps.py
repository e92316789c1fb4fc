from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    name = "audit"
    label = "audit"
    verbose_name = "Ledger"

    def ready(self) -> None:
        from audit import broadcast, invariants, lookups, registry, visibility  # noqa: F401 - a lookup of every room

        registry.register_verbs(
            {
                "audit.change_refused": "A person asked for a change, and a rule said no.",
                "audit.events_downloaded": "Somebody took events out of the ledger, as a file.",
            }
        )
        registry.register_invariants(invariants.INVARIANTS)
        checks.register(check_database_roles)
        visibility.register("audit.every_event", _every_event)
        registry.on_sequenced(broadcast.publish_position)
        registry.on_sequenced(broadcast.send_position_to_group)
        post_migrate.connect(_grant_after_migrate, sender=self)


def check_database_roles(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Warn when the application works with the owner's rights: then only a trigger guards the ledger."""
    if len(set(settings.DATABASE_ROLE_NAMES.values())) == 3:
        return []
    return [
        checks.Warning(
            "Owner, application and sequencer do not have three database roles of their own.",
            hint="Give DATABASE_OWNER_URL, DATABASE_URL and DATABASE_SEQUENCER_URL a role each; run migrate.",
            id="audit.W001",
        )
    ]


def _every_event(user: Any) -> Any:
    """Auditors see everything."""
    from audit import visibility

    return visibility.EVERYTHING if user.has_perm("audit.view_every_event") else None


def _grant_after_migrate(sender: Any, using: str, **kwargs: Any) -> None:
    # An installation that began with one role and was given three later gets its grants here.
    from django.db import connections

    from audit.services import privileges

    connection = connections[using]
    if privileges.owns_ledger(connection):
        privileges.grant_defaults(connection)
        privileges.restrict_ledger(connection)
