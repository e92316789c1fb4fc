
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0006_model_use'),
    ]

    operations = [
        migrations.AddField(
            model_name='historicalmeasure',
            name='read_for',
            field=models.CharField(blank=True, help_text='Operations whose rules may read it without being counted, e.g. what may only come after it.', max_length=200),
        ),
        migrations.AddField(
            model_name='historicalmeasure',
            name='read_key',
            field=models.CharField(blank=True, help_text='Which of its counters they read, as CEL over their own arguments.', max_length=500),
        ),
        migrations.AddField(
            model_name='measure',
            name='read_for',
            field=models.CharField(blank=True, help_text='Operations whose rules may read it without being counted, e.g. what may only come after it.', max_length=200),
        ),
        migrations.AddField(
            model_name='measure',
            name='read_key',
            field=models.CharField(blank=True, help_text='Which of its counters they read, as CEL over their own arguments.', max_length=500),
        ),
    ]
