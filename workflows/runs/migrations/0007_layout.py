from __future__ import annotations

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0006_lists"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Layout",
            fields=[
                (
                    "version",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="layout",
                        serialize=False,
                        to="runs.workflowversion",
                    ),
                ),
                (
                    "direction",
                    models.CharField(
                        choices=[("TB", "Top down"), ("LR", "Left to right")], default="TB", max_length=2
                    ),
                ),
                (
                    "at",
                    models.JSONField(default=dict, help_text="The middle of each box by its key, as [x, y]."),
                ),
                (
                    "kept_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "kept_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": [],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("direction__in", ["TB", "LR"])), name="runs_layout_direction_known"
                    )
                ],
            },
        ),
    ]
