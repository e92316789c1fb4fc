import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import simple_history.models
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

GUARD = """
CREATE FUNCTION agents_certificate_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'a certificate is never changed' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT 1 FROM agents_user WHERE id IN (NEW.signer_id, NEW.proposer_id) AND kind <> 'person') THEN
        RAISE EXCEPTION 'only people sign' USING ERRCODE = 'check_violation';
    END IF;
    -- Nobody can back-date one.
    NEW.issued_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER certificate_guard BEFORE INSERT OR UPDATE OR DELETE ON agents_certificate
    FOR EACH ROW EXECUTE FUNCTION agents_certificate_guard();
ALTER TABLE agents_certificate ENABLE ALWAYS TRIGGER certificate_guard;
"""

# A probation and the grace after an attestation decide what an agent may do, so that they raise the version.
COLUMNS = (
    "user_id, code, department_id, role_id, sponsor_id, deputy_id, lifecycle, autonomy, brake, risk_tier, attest_by"
)


def attach(columns: str) -> str:
    """Return the SQL that bumps the version when one of these columns of an agent is written."""
    return f"""
DROP TRIGGER bump_authority ON agents_agent;
CREATE TRIGGER bump_authority AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF {columns} ON agents_agent
    FOR EACH STATEMENT EXECUTE FUNCTION bump_authority();
ALTER TABLE agents_agent ENABLE ALWAYS TRIGGER bump_authority;
"""


TERMS = """
CREATE TRIGGER bump_authority AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON agents_lifecycleterms
    FOR EACH STATEMENT EXECUTE FUNCTION bump_authority();
ALTER TABLE agents_lifecycleterms ENABLE ALWAYS TRIGGER bump_authority;
"""


def company_terms(apps, schema_editor):
    """The company has terms of employment from the first day; a role may have its own."""
    apps.get_model("agents", "LifecycleTerms").objects.create(role=None)


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0009_rule_escalation'),
    ]

    operations = [
        migrations.CreateModel(
            name='Certificate',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('activation', 'Activation'), ('promotion', 'Promotion'), ('demotion', 'Demotion'), ('attestation', 'Attestation'), ('retirement', 'Retirement')], help_text='What was decided.', max_length=11)),
                ('signer_label', models.CharField(help_text='Their name at that moment.', max_length=200)),
                ('proposer_label', models.CharField(blank=True, max_length=200)),
                ('reason', models.TextField(help_text='What the signer said about it.')),
                ('content', models.JSONField(help_text='All that it says, with the numbers behind it.')),
                ('text', models.TextField(help_text='The same as plain text.')),
                ('digest', models.CharField(help_text='SHA-256 of the RFC 8785 form of its content.', max_length=64)),
                ('evidence_digest', models.CharField(blank=True, help_text='SHA-256 of the numbers.', max_length=64)),
                ('contract_digest', models.CharField(blank=True, help_text='The contract in force then.', max_length=64)),
                ('issued_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'ordering': ['-issued_at', '-pk'],
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='HistoricalLifecycleTerms',
            fields=[
                ('id', models.UUIDField(db_index=True, default=uuid_utils.compat.uuid7, editable=False)),
                ('probation_days', models.PositiveIntegerField(default=30, help_text='How long the probation of a new agent is planned. It never ends by itself. 0: it has none.', validators=[django.core.validators.MaxValueValidator(3660)])),
                ('attest_every_days', models.PositiveIntegerField(default=180, help_text='How many days after a confirmation the next is due. 0: no next day is set by it.', validators=[django.core.validators.MaxValueValidator(3660)])),
                ('attest_notice_days', models.PositiveIntegerField(default=14, help_text='How many days before that the sponsor is asked.', validators=[django.core.validators.MaxValueValidator(3660)])),
                ('attest_grace_days', models.PositiveIntegerField(default=7, help_text='How many days after it the agent may still write. Then it may only read.', validators=[django.core.validators.MaxValueValidator(3660)])),
                ('denials', models.PositiveIntegerField(default=0, help_text='So many calls that an enforced rule refused put an agent back. 0 switches it off.', validators=[django.core.validators.MaxValueValidator(1000000)])),
                ('limits', models.PositiveIntegerField(default=0, help_text='So many calls above a limit put an agent back. 0 switches it off.', validators=[django.core.validators.MaxValueValidator(1000000)])),
                ('doubts', models.PositiveIntegerField(default=0, help_text='So many actions of which nobody knew what became put an agent back. 0 switches it off.', validators=[django.core.validators.MaxValueValidator(1000000)])),
                ('reversals', models.PositiveIntegerField(default=0, help_text='So many actions that were taken back put an agent back. 0 switches it off.', validators=[django.core.validators.MaxValueValidator(1000000)])),
                ('window_days', models.PositiveIntegerField(default=7, help_text='Within how many days these are counted.', validators=[django.core.validators.MaxValueValidator(366)])),
                ('breach_then', models.CharField(choices=[('probation', 'Back on probation: a person approves every write'), ('read_only', 'It may only read')], default='probation', help_text='What happens to it then.', max_length=9)),
                ('history_change_reason', models.TextField(null=True)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical terms of employment',
                'verbose_name_plural': 'historical terms of employment',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='LifecycleTerms',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('probation_days', models.PositiveIntegerField(default=30, help_text='How long the probation of a new agent is planned. It never ends by itself. 0: it has none.', validators=[django.core.validators.MaxValueValidator(3660)])),
                ('attest_every_days', models.PositiveIntegerField(default=180, help_text='How many days after a confirmation the next is due. 0: no next day is set by it.', validators=[django.core.validators.MaxValueValidator(3660)])),
                ('attest_notice_days', models.PositiveIntegerField(default=14, help_text='How many days before that the sponsor is asked.', validators=[django.core.validators.MaxValueValidator(3660)])),
                ('attest_grace_days', models.PositiveIntegerField(default=7, help_text='How many days after it the agent may still write. Then it may only read.', validators=[django.core.validators.MaxValueValidator(3660)])),
                ('denials', models.PositiveIntegerField(default=0, help_text='So many calls that an enforced rule refused put an agent back. 0 switches it off.', validators=[django.core.validators.MaxValueValidator(1000000)])),
                ('limits', models.PositiveIntegerField(default=0, help_text='So many calls above a limit put an agent back. 0 switches it off.', validators=[django.core.validators.MaxValueValidator(1000000)])),
                ('doubts', models.PositiveIntegerField(default=0, help_text='So many actions of which nobody knew what became put an agent back. 0 switches it off.', validators=[django.core.validators.MaxValueValidator(1000000)])),
                ('reversals', models.PositiveIntegerField(default=0, help_text='So many actions that were taken back put an agent back. 0 switches it off.', validators=[django.core.validators.MaxValueValidator(1000000)])),
                ('window_days', models.PositiveIntegerField(default=7, help_text='Within how many days these are counted.', validators=[django.core.validators.MaxValueValidator(366)])),
                ('breach_then', models.CharField(choices=[('probation', 'Back on probation: a person approves every write'), ('read_only', 'It may only read')], default='probation', help_text='What happens to it then.', max_length=9)),
            ],
            options={
                'verbose_name': 'terms of employment',
                'verbose_name_plural': 'terms of employment',
                'ordering': ['role__name'],
            },
        ),
        migrations.AlterModelOptions(
            name='agent',
            options={'ordering': ['name'], 'permissions': [('activate_agent', 'Can activate an agent'), ('pause_agent', 'Can pause an agent'), ('lift_brake', 'Can lift the brake of an agent'), ('suspend_agent', 'Can suspend an agent'), ('retire_agent', 'Can retire an agent'), ('set_autonomy', 'Can change how freely an agent works'), ('issue_credentials', 'Can issue and revoke the credentials of an agent'), ('sign_contract', 'Can sign the contract of an agent'), ('promote_agent', 'Can propose that the probation of an agent ends'), ('demote_agent', 'Can put an agent back on probation, or let it only read, at once')]},
        ),
        migrations.AddField(
            model_name='agent',
            name='probation_since',
            field=models.DateTimeField(blank=True, help_text='Since when it is on probation: a person approves every write. Empty: it is not.', null=True),
        ),
        migrations.AddField(
            model_name='agent',
            name='probation_until',
            field=models.DateField(blank=True, help_text='When that is planned to end. It never ends by itself.', null=True),
        ),
        migrations.AddField(
            model_name='historicalagent',
            name='probation_since',
            field=models.DateTimeField(blank=True, help_text='Since when it is on probation: a person approves every write. Empty: it is not.', null=True),
        ),
        migrations.AddField(
            model_name='historicalagent',
            name='probation_until',
            field=models.DateField(blank=True, help_text='When that is planned to end. It never ends by itself.', null=True),
        ),
        migrations.AlterField(
            model_name='agent',
            name='attest_by',
            field=models.DateField(blank=True, help_text='By this day the sponsor must confirm that it is still needed. Some days after it, as the terms of employment say, it may only read.', null=True),
        ),
        migrations.AlterField(
            model_name='agent',
            name='sponsor',
            field=models.ForeignKey(help_text='The person who answers for this agent. Without an active sponsor an agent may only read.', on_delete=django.db.models.deletion.PROTECT, related_name='sponsored_agents', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='historicalagent',
            name='attest_by',
            field=models.DateField(blank=True, help_text='By this day the sponsor must confirm that it is still needed. Some days after it, as the terms of employment say, it may only read.', null=True),
        ),
        migrations.AlterField(
            model_name='historicalagent',
            name='sponsor',
            field=models.ForeignKey(blank=True, db_constraint=False, help_text='The person who answers for this agent. Without an active sponsor an agent may only read.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='agent',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('probation_since__isnull', True), ('probation_until__isnull', True)), models.Q(('probation_since__isnull', False), ('probation_until__isnull', False)), _connector='OR'), name='agents_agent_probation_has_an_end'),
        ),
        migrations.AddField(
            model_name='certificate',
            name='agent',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='certificates', to='agents.agent'),
        ),
        migrations.AddField(
            model_name='certificate',
            name='proposer',
            field=models.ForeignKey(blank=True, help_text='Who had asked for it, where that takes two people.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='certificate',
            name='signer',
            field=models.ForeignKey(blank=True, help_text='Who decided it; nobody: the portal did, by the terms of employment.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='historicallifecycleterms',
            name='history_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='historicallifecycleterms',
            name='role',
            field=models.ForeignKey(blank=True, db_constraint=False, help_text='Whose agents; empty: all whose role has no terms of its own.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='agents.role'),
        ),
        migrations.AddField(
            model_name='lifecycleterms',
            name='role',
            field=models.OneToOneField(blank=True, help_text='Whose agents; empty: all whose role has no terms of its own.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='lifecycle_terms', to='agents.role'),
        ),
        migrations.AddIndex(
            model_name='certificate',
            index=models.Index(fields=['agent', '-issued_at'], name='agents_certificate_of_agent'),
        ),
        migrations.AddConstraint(
            model_name='certificate',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['activation', 'promotion', 'demotion', 'attestation', 'retirement'])), name='agents_certificate_kind'),
        ),
        migrations.AddConstraint(
            model_name='certificate',
            constraint=models.CheckConstraint(condition=models.Q(('digest__regex', '^[0-9a-f]{64}$')), name='agents_certificate_digest'),
        ),
        migrations.AddConstraint(
            model_name='certificate',
            constraint=models.CheckConstraint(condition=models.Q(('proposer__isnull', True), models.Q(('proposer', models.F('signer')), _negated=True), _connector='OR'), name='agents_certificate_two_people'),
        ),
        migrations.AddConstraint(
            model_name='lifecycleterms',
            constraint=models.UniqueConstraint(fields=('role',), name='agents_lifecycleterms_once_for_the_company', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='lifecycleterms',
            constraint=models.CheckConstraint(condition=models.Q(('window_days__gte', 1)), name='agents_lifecycleterms_window'),
        ),
        migrations.AddConstraint(
            model_name='lifecycleterms',
            constraint=models.CheckConstraint(condition=models.Q(('breach_then__in', ['probation', 'read_only'])), name='agents_lifecycleterms_then'),
        ),
        migrations.RunSQL(GUARD, "DROP FUNCTION agents_certificate_guard() CASCADE"),
        migrations.RunSQL(attach(f"{COLUMNS}, probation_since, probation_until"), attach(COLUMNS)),
        migrations.RunSQL(TERMS, migrations.RunSQL.noop),
        migrations.RunPython(company_terms, migrations.RunPython.noop),
    ]
