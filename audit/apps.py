from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db.models.signals import post_migrate

VERBS = {
    "audit.change_refused": "A person asked for a change, and a rule said no.",
    "audit.events_downloaded": "Somebody took events out of the ledger, as a file.",
    "audit.list_downloaded": "Somebody took a list of the administration along, as a file.",
    "audit.evidence_built": "Somebody built an evidence pack for a period.",
    "audit.ledger_exported": "Somebody took an export of the ledger, or of a part of it.",
    "audit.key_added": "A second key signs the ledger, too.",
    "audit.key_retired": "A key signs the ledger no more.",
    "audit.ledger_restored": "The ledger goes on under a new name: it was restored, or its key was lost.",
    "audit.content_erased": "Words or payloads of events, or other content, were erased: by rule or request.",
    "audit.erasing_failed": "Content that is old enough could not be erased.",
    "audit.retention_set": "How long something is kept was set: at once if longer, else by two persons.",
    "audit.hold_placed": "A legal hold was placed: nothing of what it names is erased.",
    "audit.hold_ended": "A legal hold was ended by two persons.",
}


class AuditConfig(AppConfig):
    name = "audit"
    label = "audit"
    verbose_name = "Ledger"

    def ready(self) -> None:
        from audit import broadcast, invariants, lookups, registry, visibility  # noqa: F401 - a lookup of every room
        from audit.evidence import ledger
        from audit.services import erasing
        from audit.services.evidence import verifying

        registry.register_verbs(VERBS)
        erasing.register_classes()
        verifying.register_tables()
        ledger.register_tables()
        registry.register_invariants(invariants.INVARIANTS)
        checks.register(check_database_roles)
        checks.register(check_outlets)
        visibility.register("audit.every_event", _every_event)
        visibility.register("audit.keeping", _keeping)
        registry.on_sequenced(broadcast.publish_position)
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


def check_outlets(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Refuse an address of a sink or stream that cannot be used, before anything relies on it."""
    from audit.egress import addresses

    found: list[checks.CheckMessage] = []
    for name, number, one in (("SINKS", 11, addresses.sink), ("STREAMS", 12, addresses.stream)):
        try:
            read = addresses.read(getattr(settings, f"LEDGER_{name}"), one)
        except addresses.BadAddress as error:
            hint = f"Correct LEDGER_{name} (docs/ledger-outside.md)."
            found.append(checks.Error(str(error), hint=hint, id=f"audit.E0{number}"))
            continue
        for address in read:
            try:
                address.secret_headers()
            except addresses.BadAddress as error:
                hint = "The exporter does not start without it; no other process needs it."
                found.append(checks.Warning(str(error), hint=hint, id="audit.W011"))
    return found


def _every_event(user: Any) -> Any:
    """Auditors see everything."""
    from audit import visibility

    return visibility.EVERYTHING if user.has_perm("audit.view_every_event") else None


def _keeping(user: Any) -> Any:
    """Whoever sees rules of retention and legal holds sees what became of them."""
    from django.db.models import Q

    kinds = [f"audit.{name}" for name in ("retentionrule", "legalhold") if user.has_perm(f"audit.view_{name}")]
    return Q(subject_kind__in=kinds) if kinds else None


def _grant_after_migrate(sender: Any, using: str, **kwargs: Any) -> None:
    # An installation that began with one role and was given three later gets its grants here.
    from django.db import connections

    from audit.services import privileges

    connection = connections[using]
    if privileges.owns_ledger(connection):
        privileges.grant_defaults(connection)
        privileges.restrict_ledger(connection)
