"""Write the JSON Schema of a workflow to docs/, for editors and other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from workflows.runs import engine


def schema_text() -> str:
    """Return the file as it should be."""
    return json.dumps(engine.whole_schema(), indent=2, ensure_ascii=False) + "\n"


class Command(BaseCommand):
    """``manage.py write_workflow_schema``: doing it again changes nothing."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        target = Path(settings.BASE_DIR) / "docs" / "workflow.schema.json"
        target.write_text(schema_text(), encoding="utf-8")
        self.stdout.write(f"Written: {target}")
