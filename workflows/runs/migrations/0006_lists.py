import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0015_stop_is_exercise'),
        ('runs', '0005_erased'),
    ]

    operations = [
        migrations.AlterField(
            model_name='step',
            name='agent',
            field=models.ForeignKey(blank=True, db_index=False, help_text='Who did it.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='agents.agent'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['state', '-id'], name='runs_run_in_state'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('state__in', ['running', 'incident'])), fields=['id'], name='runs_run_open_longest'),
        ),
        migrations.AddIndex(
            model_name='step',
            index=models.Index(condition=models.Q(('is_parked', True)), fields=['is_parked'], name='runs_step_parked'),
        ),
        migrations.AddIndex(
            model_name='step',
            index=models.Index(condition=models.Q(('agent__isnull', False)), fields=['agent', '-id'], name='runs_step_of_agent'),
        ),
    ]
