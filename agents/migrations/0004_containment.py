"""Who has seen a stop: processes that live, and what each of them acknowledged."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    """Two tables, and the version that a stop makes."""

    dependencies: ClassVar = [
        ('agents', '0003_words_people_read'),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name='EnforcementPoint',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('portal', 'Portal'), ('worker', 'Worker'), ('clock', 'Engine clock')], max_length=10)),
                ('host', models.CharField(help_text='The name of its machine.', max_length=200)),
                ('pid', models.PositiveIntegerField(help_text='Its process id there.')),
                ('place', models.CharField(blank=True, help_text='This start of the machine and its process numbering; empty where that cannot be told.', max_length=120)),
                ('born', models.CharField(blank=True, help_text='When the process began, in ticks of the machine.', max_length=40)),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('beat_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When it was last heard of.')),
            ],
            options={
                'ordering': ['kind', 'host', 'pid'],
            },
        ),
        migrations.AddField(
            model_name='historicalstop',
            name='version',
            field=models.BigIntegerField(db_default=0, default=0, editable=False, help_text='The authority version that it made: whoever has read that one has seen the stop.'),
        ),
        migrations.AddField(
            model_name='stop',
            name='version',
            field=models.BigIntegerField(db_default=0, default=0, editable=False, help_text='The authority version that it made: whoever has read that one has seen the stop.'),
        ),
        migrations.AlterField(
            model_name='historicalstop',
            name='scope_id',
            field=models.CharField(blank=True, help_text='Which one: the id of the department, role, agent, system or workflow, or the code of the operation.', max_length=120),
        ),
        migrations.AlterField(
            model_name='stop',
            name='scope_id',
            field=models.CharField(blank=True, help_text='Which one: the id of the department, role, agent, system or workflow, or the code of the operation.', max_length=120),
        ),
        migrations.CreateModel(
            name='Acknowledgement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('process', 'A process of the portal'), ('agent', 'The token of an agent'), ('duty', 'What was taken back'), ('whole', 'The stop as a whole')], max_length=10)),
                ('key', models.CharField(help_text='Which one: the id of a process or an agent, or a name.', max_length=64)),
                ('label', models.CharField(blank=True, max_length=260)),
                ('outcome', models.CharField(choices=[('seen', 'It has seen the stop'), ('ended', 'It has ended'), ('lost', 'It never answered and was given up'), ('refused', 'Its call was refused'), ('done', 'Done')], max_length=10)),
                ('version', models.BigIntegerField(help_text='The authority version that it rests on.')),
                ('count', models.PositiveIntegerField(default=0, help_text='How many, of what was taken back.')),
                ('heard_at', models.DateTimeField(blank=True, help_text='When a lost process was last heard of.', null=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('stop', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='acknowledgements', to='agents.stop')),
            ],
            options={
                'ordering': ['kind', 'label'],
                'constraints': [models.UniqueConstraint(fields=('stop', 'kind', 'key'), name='agents_acknowledgement_once')],
            },
        ),
    ]
