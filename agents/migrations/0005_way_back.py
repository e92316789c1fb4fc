"""A stop comes back in stages."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns."""

    dependencies: ClassVar = [
        ('agents', '0004_containment'),
    ]

    operations: ClassVar = [
        migrations.AddField(
            model_name='historicalstop',
            name='stage',
            field=models.CharField(choices=[('stop', 'Nothing starts'), ('look', 'Agents may read'), ('held', 'A person approves every write')], db_default='stop', default='stop', help_text="How far the way back has come. Each step is a person's decision; the last is to lift it.", max_length=4),
        ),
        migrations.AddField(
            model_name='historicalstop',
            name='tightened_at',
            field=models.DateTimeField(blank=True, help_text='When it was last taken back to a stricter stage.', null=True),
        ),
        migrations.AddField(
            model_name='stop',
            name='stage',
            field=models.CharField(choices=[('stop', 'Nothing starts'), ('look', 'Agents may read'), ('held', 'A person approves every write')], db_default='stop', default='stop', help_text="How far the way back has come. Each step is a person's decision; the last is to lift it.", max_length=4),
        ),
        migrations.AddField(
            model_name='stop',
            name='tightened_at',
            field=models.DateTimeField(blank=True, help_text='When it was last taken back to a stricter stage.', null=True),
        ),
        migrations.AddConstraint(
            model_name='stop',
            constraint=models.CheckConstraint(condition=models.Q(('stage__in', ['stop', 'look', 'held'])), name='agents_stop_stage_known'),
        ),
    ]
