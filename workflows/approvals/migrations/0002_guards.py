from __future__ import annotations

from django.db import migrations

FIXED = [
    "subject_kind",
    "subject_id",
    "digest",
    "binding",
    "requester_id",
    "excluded_ids",
    "quorum",
    "expires_at",
]
CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in FIXED)

# A decided approval stays decided, its rule stays the one that was asked, and it serves once; a vote is for good.
GUARD = f"""
CREATE FUNCTION approvals_approval_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {CHANGED} THEN
        RAISE EXCEPTION 'the question of an approval is never changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'pending' AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'approval %: % is final', OLD.id, OLD.state USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.used_at IS NOT NULL AND NEW.used_at IS DISTINCT FROM OLD.used_at THEN
        RAISE EXCEPTION 'approval % has served', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_guard BEFORE UPDATE ON approvals_approval
    FOR EACH ROW EXECUTE FUNCTION approvals_approval_guard();
ALTER TABLE approvals_approval ENABLE ALWAYS TRIGGER approval_guard;

CREATE FUNCTION approvals_vote_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'a vote is never changed' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT 1 FROM agents_user WHERE id = NEW.user_id AND kind = 'person') THEN
        RAISE EXCEPTION 'only people vote' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER vote_guard BEFORE INSERT OR UPDATE OR DELETE ON approvals_vote
    FOR EACH ROW EXECUTE FUNCTION approvals_vote_guard();
ALTER TABLE approvals_vote ENABLE ALWAYS TRIGGER vote_guard;
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0001_initial")]

    operations = [
        migrations.RunSQL(
            GUARD,
            "DROP FUNCTION approvals_approval_guard() CASCADE; DROP FUNCTION approvals_vote_guard() CASCADE",
        )
    ]
