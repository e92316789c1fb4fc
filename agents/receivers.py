"""What this room does when the schema has changed: the four groups of people exist and hold their rights."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.models import Group, Permission
from django.db import transaction

from agents import registry
from audit.selectors import anything_recorded
from audit.services import record_event
from audit.vocabulary import Actor, Ref


def ensure_groups(sender: AppConfig, using: str, **kwargs: Any) -> None:
    """Give each standard group the rights registered for ``sender``'s room; what it holds more, it keeps.

    Runs after ``migrate`` for every app, after Django has made that app's permissions; doing it twice changes
    nothing.
    """
    made = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.using(using)
        .filter(content_type__app_label=sender.label)
        .select_related("content_type")
    }
    for name, wanted in registry.role_permissions().items():
        here = {code for code in wanted if code.startswith(f"{sender.label}.")}
        if not here:
            continue
        if missing := sorted(here - made.keys()):
            raise LookupError(f"The group {name} is to hold {', '.join(missing)}, which no model declares.")
        with transaction.atomic(using=using):
            group, _ = Group.objects.using(using).get_or_create(name=name)
            held = set(group.permissions.values_list("pk", flat=True))
            new = sorted(code for code in here if made[code].pk not in held)
            group.permissions.add(*(made[code] for code in new))
            if new and anything_recorded():  # what a company begins with is what the version says
                record_event(
                    actor=Actor.system("migrate"),
                    verb="agents.rights_installed",
                    subject=Ref("auth.group", str(group.pk), name),
                    sentence=f"{name} may do more in this version: {', '.join(new)}",
                    payload={"permissions": new},
                )
