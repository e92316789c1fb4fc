from __future__ import annotations

from importlib import import_module

from django.db import migrations, models

BEFORE = import_module("workflows.actions.migrations.0006_born_decided").AFTER
ARGUMENTS = "NEW.arguments IS DISTINCT FROM OLD.arguments"
# What has ended may lose what it was about, once and all of it; that it did is never taken back.
ERASING = (
    "(NEW.arguments IS DISTINCT FROM OLD.arguments AND NOT (OLD.finished_at IS NOT NULL AND OLD.erased_at IS NULL"
    " AND NEW.erased_at IS NOT NULL AND NEW.arguments = '{}'::jsonb AND NEW.result IS NULL))"
    " OR (OLD.erased_at IS NOT NULL AND NEW.erased_at IS DISTINCT FROM OLD.erased_at)"
    " OR (OLD.finished_at IS NULL AND NEW.erased_at IS NOT NULL)"
)
WHY_EDITED = "NEW.edit_reason IS DISTINCT FROM OLD.edit_reason"
AND_WHY_EDITED = f"({WHY_EDITED} AND NOT (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL AND NEW.edit_reason = ''))"
AFTER = BEFORE.replace(ARGUMENTS, ERASING).replace(WHY_EDITED, AND_WHY_EDITED)


class Migration(migrations.Migration):
    dependencies = [("actions", "0007_fewer_indexes"), ("audit", "0006_retention")]

    operations = [
        migrations.AddField(
            model_name="action",
            name="erased_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When its arguments, reasons and result were erased.",
                null=True,
            ),
        ),
        migrations.RunSQL(AFTER, BEFORE),
    ]
