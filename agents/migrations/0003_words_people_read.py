"""Measures are limits and users are people wherever somebody reads their names. No table changes."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations

NEWEST_FIRST: dict[str, Any] = {
    "get_latest_by": ("history_date", "history_id"),
    "ordering": ("-history_date", "-history_id"),
}
PAST_LIMIT = {"verbose_name": "historical limit", "verbose_name_plural": "historical limits"}
PAST_PERSON = {"verbose_name": "historical person", "verbose_name_plural": "historical people"}


class Migration(migrations.Migration):
    """Words only."""

    dependencies: ClassVar = [("agents", "0002_guards")]

    operations: ClassVar = [
        migrations.AlterModelOptions("measure", {"ordering": ["name"], "verbose_name": "limit"}),
        migrations.AlterModelOptions("historicalmeasure", {**NEWEST_FIRST, **PAST_LIMIT}),
        migrations.AlterModelOptions("user", {"verbose_name": "person", "verbose_name_plural": "people"}),
        migrations.AlterModelOptions("historicaluser", {**NEWEST_FIRST, **PAST_PERSON}),
    ]
