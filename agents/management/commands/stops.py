"""Show from a console what is stopped, with nothing but the database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from agents import registry
from agents.management.console import console, containment_lines
from agents.models import Stop
from audit.vocabulary import Ref

MOST_SHOWN = 200


class Command(BaseCommand):
    """Lists what is stopped, or what could be."""

    help = "Show what is stopped and by whom. Needs only the database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Offer the lifted ones and what could be stopped."""
        parser.add_argument("--all", action="store_true", help="Those that were lifted, too.")
        parser.add_argument(
            "--choose",
            metavar="SCOPE",
            choices=Stop.ScopeKind.values,
            help="Show what of this kind could be stopped, with codes and ids.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line for each."""
        with console("", Ref("agents.stop", "")):
            lines = self._targets(options["choose"]) if options["choose"] else self._stops(options["all"])
        self.stdout.write("\n".join(lines) or "Nothing is stopped.")

    def _targets(self, kind: str) -> list[str]:
        if kind == Stop.ScopeKind.EVERYTHING:
            return ["everything"]
        found = [f"{kind} {it.code}  {it.label}  {it.id}" for it in registry.stop_targets(kind)]
        return found or [f"There is no {kind}."]

    def _stops(self, every: bool) -> list[str]:
        found = Stop.objects.all() if every else Stop.objects.filter(lifted_at__isnull=True)
        return [line for stop in found[:MOST_SHOWN] for line in _lines(stop)]


def _lines(stop: Stop) -> list[str]:
    lines = [
        f"{stop.pk}  {stop.scope_kind}: {stop.scope_label or stop.scope_id}"
        + (f" ({stop.get_stage_display().lower()})" if stop.is_active else ""),
        f"    stopped {stop.raised_at:%Y-%m-%d %H:%M:%S} UTC by {stop.raised_by}: {stop.reason}",
    ]
    if stop.is_active:
        lines += [f"    {line}" for line in containment_lines(stop)]
    if stop.lifted_at:
        when = f"{stop.lifted_at:%Y-%m-%d %H:%M:%S}"
        lines.append(f"    lifted {when} UTC by {stop.lifted_by}: {stop.lift_reason}")
    return lines
