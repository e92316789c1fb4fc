from __future__ import annotations

from importlib import import_module

from django.db import migrations

guards = import_module("connectors.migrations.0002_guards")
# What an operation is, and where it is done, is read once for each version of authority: so it moves with them.
TABLES = ["connectors_operation", "connectors_system"]


class Migration(migrations.Migration):
    dependencies = [("connectors", "0002_guards")]

    operations = [
        migrations.RunSQL(
            "".join(guards.attach(table) for table in TABLES),
            "".join(f"DROP TRIGGER bump_authority ON {table};" for table in TABLES),
        )
    ]
