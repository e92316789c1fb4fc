"""Make the portal a system of its own, so that starting a run can be granted like any other operation."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audit.vocabulary import Actor
from workflows.runs.services import install_portal


class Command(BaseCommand):
    """``manage.py install_portal``: doing it again changes nothing."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Install it."""
        install_portal(actor=Actor.system("portal"))
