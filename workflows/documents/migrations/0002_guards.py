from __future__ import annotations

from django.db import migrations

# What somebody worked from, and who brought it, is evidence: rows are added and stay as they are.
GUARD = """
CREATE FUNCTION documents_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a document is never changed' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER document_guard BEFORE UPDATE OR DELETE ON documents_document
    FOR EACH ROW EXECUTE FUNCTION documents_guard();
ALTER TABLE documents_document ENABLE ALWAYS TRIGGER document_guard;
CREATE TRIGGER delivery_guard BEFORE UPDATE OR DELETE ON documents_delivery
    FOR EACH ROW EXECUTE FUNCTION documents_guard();
ALTER TABLE documents_delivery ENABLE ALWAYS TRIGGER delivery_guard;
"""


class Migration(migrations.Migration):
    dependencies = [("documents", "0001_initial")]

    operations = [migrations.RunSQL(GUARD, "DROP FUNCTION documents_guard() CASCADE")]
