"""Put every secret under the first key of CONNECTOR_KEKS. The portal may keep working meanwhile."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.vocabulary import Actor, Refusal
from connectors.services.secrets import rotate_secrets, unreadable_secrets


class Command(BaseCommand):
    help = "Wraps every secret with the first key of CONNECTOR_KEKS; afterwards the other keys may be removed."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = rotate_secrets(actor=Actor.system("rotate_secrets"))
            left = unreadable_secrets()
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{done} secrets were put under the first key of CONNECTOR_KEKS.")
        if left:
            raise CommandError(
                f"{left} secrets are under a key that is not in CONNECTOR_KEKS: they stay unreadable. Add that "
                "key to the list and run this again, or write those secrets anew."
            )
