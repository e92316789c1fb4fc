"""Django's command for a forgotten password; that it was used is in the ledger, the password is nowhere."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.db import transaction
from django.db.models.signals import post_save

from agents.models import User
from agents.services import people


class Command(changepassword.Command):
    """``manage.py changepassword``, as Django's own, and recorded in the same transaction."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        """Set the password and record it."""
        changed: list[User] = []

        def seen(instance: User, **kwargs: Any) -> None:
            changed.append(instance)

        post_save.connect(seen, sender=User, weak=False)
        try:
            with transaction.atomic():
                answer: str | None = super().handle(*args, **options)
                for person in changed:
                    people.note_new_password(actor=people.COMMAND_LINE, person=person)
        finally:
            post_save.disconnect(seen, sender=User)
        return answer
