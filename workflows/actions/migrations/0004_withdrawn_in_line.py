from __future__ import annotations

from importlib import import_module

from django.db import migrations

guards = import_module("workflows.actions.migrations.0002_guards")
# What is authorized and has not begun may be taken back by whoever asked for it.
TRANSITIONS = {**guards.TRANSITIONS, "authorized": [*guards.TRANSITIONS["authorized"], "withdrawn"]}
LEGAL = ", ".join(f"('{before}', '{after}')" for before, afters in TRANSITIONS.items() for after in afters)
BEFORE = guards.GUARD.partition("CREATE TRIGGER")[0].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = [("actions", "0003_turns")]

    operations = [migrations.RunSQL(BEFORE.replace(guards.LEGAL, LEGAL), BEFORE)]
