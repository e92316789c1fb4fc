"""Django's command for the first sign-in; whoever gets every right that way is in the ledger."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db import transaction
from django.db.models.signals import post_save

from agents.models import User
from agents.services import people


class Command(createsuperuser.Command):
    """``manage.py createsuperuser``, as Django's own, and recorded in the same transaction."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the account and record it."""
        made: list[User] = []

        def seen(instance: User, created: bool, **kwargs: Any) -> None:
            if created:
                made.append(instance)

        post_save.connect(seen, sender=User, weak=False)
        try:
            with transaction.atomic():
                super().handle(*args, **options)
                for person in made:
                    people.note_made_on_command_line(person=person)
        finally:
            post_save.disconnect(seen, sender=User)
