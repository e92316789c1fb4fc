
import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models


GUARD = """
CREATE FUNCTION agents_modeluse_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'what a model took is never changed' USING ERRCODE = 'check_violation';
    END IF;
    NEW.at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER modeluse_guard BEFORE INSERT OR UPDATE OR DELETE ON agents_modeluse
    FOR EACH ROW EXECUTE FUNCTION agents_modeluse_guard();
ALTER TABLE agents_modeluse ENABLE ALWAYS TRIGGER modeluse_guard;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0005_rule_lines'),
    ]

    operations = [
        migrations.AlterField(
            model_name='historicalmeasure',
            name='on_exceed',
            field=models.CharField(choices=[('deny', 'Refuse it'), ('hold', 'Hold it for a person'), ('pause', 'Refuse it and pause the agent')], default='deny', help_text='What happens above the ceiling.', max_length=5),
        ),
        migrations.AlterField(
            model_name='historicalmeasure',
            name='unit',
            field=models.CharField(choices=[('count', 'Calls'), ('money', 'Company currency, in minor units'), ('other', 'Another whole number'), ('tokens', 'Tokens of model use'), ('cost', 'Cost of model use')], default='count', help_text='What is counted.', max_length=6),
        ),
        migrations.AlterField(
            model_name='measure',
            name='on_exceed',
            field=models.CharField(choices=[('deny', 'Refuse it'), ('hold', 'Hold it for a person'), ('pause', 'Refuse it and pause the agent')], default='deny', help_text='What happens above the ceiling.', max_length=5),
        ),
        migrations.AlterField(
            model_name='measure',
            name='unit',
            field=models.CharField(choices=[('count', 'Calls'), ('money', 'Company currency, in minor units'), ('other', 'Another whole number'), ('tokens', 'Tokens of model use'), ('cost', 'Cost of model use')], default='count', help_text='What is counted.', max_length=6),
        ),
        migrations.CreateModel(
            name='ModelUse',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('key', models.CharField(help_text='Names the report: said again, it counts once.', max_length=200)),
                ('task_id', models.CharField(blank=True, help_text='The task it was spent on.', max_length=64)),
                ('run_id', models.CharField(blank=True, help_text='The run that task belongs to.', max_length=64)),
                ('model', models.CharField(help_text='The model, as its vendor calls it.', max_length=120)),
                ('input_tokens', models.BigIntegerField(default=0)),
                ('output_tokens', models.BigIntegerField(default=0)),
                ('cost', models.BigIntegerField(default=0, help_text='In millionths of the company currency.')),
                ('stated', models.JSONField(blank=True, default=dict, help_text='The cost as it was stated.')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='model_use', to='agents.agent')),
            ],
            options={
                'verbose_name': 'model use',
                'verbose_name_plural': 'model use',
                'ordering': ['-id'],
                'default_permissions': (),
                'indexes': [models.Index(fields=['agent', '-at'], name='agents_modeluse_of_agent')],
                'constraints': [models.UniqueConstraint(fields=('agent', 'key'), name='agents_modeluse_once'), models.CheckConstraint(condition=models.Q(('cost__gte', 0), ('input_tokens__gte', 0), ('output_tokens__gte', 0)), name='agents_modeluse_not_negative')],
            },
        ),
        migrations.RunSQL(GUARD, "DROP FUNCTION agents_modeluse_guard() CASCADE"),
    ]
