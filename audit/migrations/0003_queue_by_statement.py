"""Queue what one statement inserted with one statement: an engine records the events of many steps at once."""

from __future__ import annotations

from django.db import migrations

BY_STATEMENT = """
CREATE FUNCTION audit_queue_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO audit_pendingevent (event_id) SELECT id FROM added;
    RETURN NULL;
END $$;
DROP TRIGGER audit_event_queue ON audit_event;
DROP FUNCTION audit_queue_event();
CREATE TRIGGER audit_event_queue AFTER INSERT ON audit_event
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION audit_queue_events();
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_queue;
"""
BY_ROW = """
CREATE FUNCTION audit_queue_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO audit_pendingevent (event_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
DROP TRIGGER audit_event_queue ON audit_event;
DROP FUNCTION audit_queue_events();
CREATE TRIGGER audit_event_queue AFTER INSERT ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_queue_event();
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_queue;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_guards")]
    operations = [migrations.RunSQL(BY_STATEMENT, BY_ROW)]
