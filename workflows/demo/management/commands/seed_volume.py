"""Multiply what a demo company has done, so that its pages are tried at the size of a large one."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from workflows.actions.models import Action
from workflows.demo.volume import families_of, multiply


class Command(BaseCommand):
    """``manage.py seed_volume``: run it as the owner of the tables (``DATABASE_ROLE=owner``)."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say how much."""
        parser.add_argument("--agents", type=int, default=10_000)
        parser.add_argument("--actions", type=int, default=900_000, help="that nobody was asked about")
        parser.add_argument("--approvals", type=int, default=100_000, help="each with its action")
        parser.add_argument("--runs", type=int, default=20_000)
        parser.add_argument(
            "--waiting", type=int, default=2_000, help="how many of the approvals are not decided yet"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Multiply; nothing of it is in the ledger."""
        if not settings.DEMO_COMPANY:
            raise CommandError(
                "Nothing was made: this is no demo company, and what is made here never happened."
            )
        agents = self._many("agents", options["agents"])
        self._many("actions", options["actions"], agents)
        waiting = min(options["waiting"], options["approvals"])
        self._many("approvals", waiting, agents, "held")
        self._many("approvals", options["approvals"] - waiting, agents, "decided")
        self._many("runs", options["runs"], agents)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    def _many(self, kind: str, wanted: int, agents: int = 1, only: str = "") -> int:
        """Multiply each sample evenly; return into how many each was made."""
        samples = [family for family in families_of(kind) if not only or _is(family, only)]
        if not wanted:
            return 1
        if not samples:
            raise CommandError(
                f"Nothing was made of {only} {kind}: there is none to make more of. "
                "Let the demo company work for a few minutes, decide some of what waits, and try again."
            )
        times, began = max(1, wanted // len(samples)), time.monotonic()
        rows = sum(multiply(family, times, agents=agents) for family in samples)
        took = time.monotonic() - began
        self.stdout.write(f"{only or 'all'} {kind}: {times * len(samples):,} in {took:.0f} s ({rows:,} rows)")
        return times + 1


def _is(family: Any, only: str) -> bool:
    states = set(Action.objects.filter(pk__in=family.rows[Action]).values_list("state", flat=True))
    return (states == {"held"}) == (only == "held")
