"""What is exported can be verified by somebody who has nothing but the file and a key."""

from __future__ import annotations

import json
import zipfile
from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Q
from django.utils.html import escape

from audit import notes, registry, visibility
from audit.forms import ExportForm
from audit.models import Checkpoint, Event, Leaf
from audit.services import record_event
from audit.services.exporting import Scope, export_ledger
from audit.services.sealing import Sealer, SignedBefore
from audit.services.sinks import keep
from audit.services.verifying import verify_database
from audit.standalone import verify_ledger as outside
from audit.standalone.witness import Key
from audit.vocabulary import Ref, Refusal
from tests.audit.conftest import SYSTEM, role

SIGNER = notes.Signer.fresh("example.com/ledger")
VKEY = str(SIGNER.verifier)


@pytest.fixture
def sealed(live_db, record, number, seal, tmp_path):
    """Seal some events of two agents and their actions, in several batches; return a way to add more."""
    sealer = Sealer(lambda: [SIGNER], SignedBefore(tmp_path / "key.last"))

    def batch(*facts):
        for fact in facts:
            record(**fact)
        number()
        seal(sealer)

    for at in range(0, 40, 5):
        batch(*(fact for number in range(at, at + 5) for fact in _facts(number)))
    return batch


def _facts(at):
    action = f"action-{at}"
    return (
        {"agent_id": f"agent-{at % 2}", "action_id": action, "payload": {"at": at, "ü": 1.5}},
        {"action_id": action, "reason": "It belongs to it."},
        {"system_id": "erp"},
    )


def verified(path, *anchors):
    return outside.verify_bundle(outside.Bundle(path), [SIGNER.verifier], anchors)


def out(tmp_path, *asked):
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.zip"
    call_command("export_ledger", "--out", str(path), *asked, stdout=StringIO())
    return path


def test_the_whole_and_each_part_can_be_verified(sealed, tmp_path):
    whole = verified(out(tmp_path, "--all"))
    assert (whole["ok"], whole["complete"], whole["events_checked"]) == (True, True, 120)
    agent = verified(out(tmp_path, "--agent", "agent-1"))
    # Twenty actions of it, and the other event of each.
    assert (agent["ok"], agent["complete"], agent["events_checked"]) == (True, False, 40)
    assert agent["checkpoints_checked"] == 8
    thing = verified(out(tmp_path, "--object", "tests.thing:1"))
    assert (thing["ok"], thing["complete"]) == (True, True)
    run = verified(out(tmp_path, "--run", "nobody"))
    assert (run["ok"], run["events_checked"]) == (True, 0)
    events = Event.objects.order_by("placement__position")
    period = verified(out(tmp_path, "--from", events[30].occurred_at.isoformat(), "--to", "2999-01-01"))
    assert (period["ok"], period["events_checked"]) == (True, 90)
    with zipfile.ZipFile(out(tmp_path, "--all")) as bundle:
        assert sorted(bundle.namelist()) == sorted(outside.FILES)
        manifest = json.loads(bundle.read("manifest.json"))
    assert manifest["counts"] == {"events": 120, "checkpoints": 8, "nodes": 0}
    assert (manifest["version"], manifest["closed"], manifest["tree_size"]) == (1, True, 120)
    told = Event.objects.filter(verb="audit.ledger_exported").order_by("id")
    assert told.count() == 6
    assert told[1].payload.data["scope"] == {"kind": "agent", "id": "agent-1"}


def test_an_export_says_nothing_of_what_came_after_the_last_checkpoint(sealed, record, number, tmp_path):
    record()
    number()
    report = verified(out(tmp_path, "--all"))
    assert (report["ok"], report["tree_size"]) == (True, 120)


def test_a_part_can_be_compared_with_a_checkpoint_that_was_kept(sealed, tmp_path):
    note = outside.checkpoint_text(SIGNER.name, 61, b"\1" * 32)
    other = tmp_path / "kept"
    other.write_text(note + "\n" + SIGNER.sign(note))
    path = out(tmp_path, "--agent", "agent-0", "--anchor", str(other))
    codes = verified(path, *outside.read_anchors([other]))["findings_by_code"]
    assert codes == {"rewritten": 1}


def test_nothing_half_written_stays(sealed, tmp_path, live_db):
    with live_db.connect("owner") as owner:
        owner.execute("ALTER TABLE audit_position DISABLE TRIGGER USER")
        owner.execute("DELETE FROM audit_position WHERE position = 17")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(Refusal, match="event 16 was sealed and is not there"):
        export_ledger(actor=SYSTEM, scope=Scope("everything"), path=tmp_path / "x.zip")
    assert sorted(tmp_path.iterdir()) == before
    report = verify_database(keys=[SIGNER.verifier])
    assert (report["ok"], report["first_bad_index"]) == (False, 16)


def test_wrong_use_is_refused_with_the_next_step(live_db, tmp_path):
    for asked, words in (
        ([], "say of what"),
        (["--all", "--from", "2026-01-01"], "say of what"),
        (["--object", "agents.agent"], "kind:id"),
        (["--all"], "no event is sealed yet"),
        (["--all", "--visible-to", "nobody"], "no user"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("export_ledger", "--out", str(tmp_path / "a.zip"), *asked)
    assert list(tmp_path.iterdir()) == []


def test_an_erasure_leaves_proofs_standing(sealed, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_verbs", {**registry._verbs, "audit.content_erased": "Content was erased."})
    (wanted,) = Event.objects.filter(action_id="action-3", payload__isnull=False)
    with transaction.atomic(), connection.cursor() as cursor:
        told = record_event(
            actor=SYSTEM,
            verb="audit.content_erased",
            subject=Ref("audit.erasure", "1"),
            sentence="Erased.",
            payload={"indexes": [[9, 9]], "part": "data"},
        )
        cursor.execute("SELECT audit_erase(%s, %s, 'data')", [told.pk, [wanted.pk]])
        assert cursor.fetchone()[0] == 1
    sealed()
    report = verified(out(tmp_path, "--agent", "agent-1"))
    assert (report["ok"], report["erased"]) == (True, {"words": 0, "data": 1})
    assert verify_database(keys=[SIGNER.verifier])["erased"]["data"] == 1


def test_a_changed_row_is_found_by_its_number_and_the_command_fails(sealed, tmp_path, live_db, capsys):
    report = verify_database(keys=[SIGNER.verifier])
    assert (report["ok"], report["events_checked"], report["not_sealed_yet"]) == (True, 120, 0)
    call_command("verify_ledger", "--key", VKEY)
    with live_db.connect("owner") as owner:
        owner.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE audit_event SET sentence = 'It was not me.' WHERE id ="
            " (SELECT event_id FROM audit_position WHERE position = 43)"
        )
        owner.execute(
            "UPDATE audit_event SET actor_id = 'mallory' WHERE id ="
            " (SELECT event_id FROM audit_position WHERE position = 78)"
        )
    report = verify_database(keys=[SIGNER.verifier])
    assert [(one["code"], one["index"]) for one in report["findings"]] == [("words", 42), ("event_differs", 77)]
    assert report["first_bad_index"] == 42
    with pytest.raises(CommandError) as failed:
        call_command("verify_ledger", "--key", VKEY, "--json", str(tmp_path / "report.json"))
    assert failed.value.returncode == 1
    assert json.loads((tmp_path / "report.json").read_text())["first_bad_index"] == 42
    exported = verified(out(tmp_path, "--all"))
    assert exported["first_bad_index"] == 42


def test_seals_that_were_changed_are_found(sealed, live_db):
    with live_db.connect("owner") as owner:
        owner.execute("ALTER TABLE audit_leaf DISABLE TRIGGER USER")
        owner.execute("UPDATE audit_leaf SET leaf_hash = sha256('x') WHERE index = 50")
    for seals_only in (False, True):
        report = verify_database(keys=[SIGNER.verifier], seals_only=seals_only)
        assert not report["ok"]
        first, last = report["first_bad_range"]
        assert first <= 50 <= last
    assert Leaf.objects.count() == 120


def test_an_auditor_takes_an_export_along(sealed, auditor, client, tmp_path):
    client.force_login(auditor)
    page = client.get("/admin/audit/event/export/")
    assert page.status_code == 200
    asked = {"what": "agent", "named": "agent-1", "reason": "The yearly audit."}
    answer = client.post("/admin/audit/event/export/", asked)
    assert answer["Content-Disposition"] == 'attachment; filename="ledger-agent-120.zip"'
    path = tmp_path / "taken.zip"
    path.write_bytes(b"".join(answer.streaming_content))
    assert verified(path)["ok"]
    told = Event.objects.get(verb="audit.ledger_exported")
    assert (told.actor_id, told.reason) == (str(auditor.pk), "The yearly audit.")


def test_an_export_that_says_too_little_or_asks_too_much_is_refused_in_words(
    sealed, auditor, client, monkeypatch
):
    client.force_login(auditor)
    for asked, words in (
        ({"what": "period"}, "A period needs its first day"),
        ({"what": "run"}, "Say which one"),
        ({"what": "object", "named": "7"}, "named by kind and id"),
        ({"what": "all"}, "Select a valid choice"),
    ):
        answer = client.post("/admin/audit/event/export/", {**asked, "reason": "The yearly audit."})
        assert words in answer.content.decode()
    monkeypatch.setattr("audit.pages.exports.MOST_EVENTS", 100)
    answer = client.post("/admin/audit/event/export/", {"what": "everything", "reason": "The yearly audit."})
    assert "120 events are more than the 100" in answer.content.decode()
    assert Event.objects.get(verb="audit.change_refused").code == "too_large"


def test_the_last_day_of_an_export_is_in_it_and_an_agent_goes_by_its_name(auditor, monkeypatch):
    asked = {"what": "period", "since": "2026-03-01", "until": "2026-03-31", "reason": "The yearly audit."}
    form = ExportForm(asked, user=auditor)
    assert form.is_valid()
    assert form.scope().as_json() == {
        "kind": "period",
        "since": "2026-03-01T00:00:00.000000Z",
        "until": "2026-04-01T00:00:00.000000Z",
    }
    assert ExportForm({**asked, "until": "9999-12-31"}, user=auditor).is_valid()
    backwards = ExportForm({**asked, "until": "2026-02-01"}, user=auditor)
    assert "before the first day" in str(backwards.errors["until"])
    names = [("a-1", "Robo"), ("a-2", "Twin"), ("a-3", "Twin")]
    monkeypatch.setattr(registry, "names_for", lambda kind, user: names)
    by_name = ExportForm({"what": "agent", "named": "robo", "reason": "The yearly audit."}, user=auditor)
    assert by_name.is_valid()
    assert by_name.scope().id == "a-1"
    twins = ExportForm({"what": "agent", "named": "Twin", "reason": "The yearly audit."}, user=auditor)
    assert "a-2, a-3" in str(twins.errors["named"])


def test_the_page_of_exports_is_filled_in_by_what_leads_to_it_and_says_how_to_check(sealed, auditor, client):
    client.force_login(auditor)
    key = "0197f0c0-0000-7000-8000-000000000001"
    taken = f"/admin/audit/event/export/?what=run&amp;named={key}"
    assert taken in client.get("/admin/audit/event/", {"run": key}).content.decode()
    page = client.get("/admin/audit/event/export/", {"what": "run", "named": key}).content.decode()
    assert f'value="{key}"' in page
    assert f"--key {escape(VKEY)}" in page
    told = client.get("/admin/audit/event/export/", {"what": '"><i>', "named": "<i>"}).content.decode()
    assert "<i>" not in told
    auditor.user_permissions.remove(auditor.user_permissions.get(codename="view_payload"))
    assert "event/export/" not in client.get("/admin/audit/event/", {"run": key}).content.decode()


def test_who_does_not_see_everything_exports_nothing(live_db, auditor, client):
    client.force_login(auditor)
    for missing in auditor.user_permissions.all():
        auditor.user_permissions.remove(missing)
        assert client.get("/admin/audit/event/export/").status_code == 403
        auditor.user_permissions.add(missing)
    assert client.get("/admin/audit/event/export/").status_code == 200


def test_an_export_for_somebody_has_only_what_they_may_see(sealed, auditor, tmp_path, monkeypatch):
    for name in ("view_every_event", "view_payload"):
        auditor.user_permissions.remove(auditor.user_permissions.get(codename=name))
    with pytest.raises(CommandError, match="may not see payloads"):
        out(tmp_path, "--all", "--visible-to", "carol")
    payload = Permission.objects.get(codename="view_payload", content_type__app_label="audit")
    auditor.user_permissions.add(payload)
    rules = {"tests": lambda user: Q(agent_id="agent-1")}
    monkeypatch.setattr(visibility, "_rules", rules)
    report = verified(out(tmp_path, "--all", "--visible-to", "carol"))
    assert (report["ok"], report["events_checked"]) == (True, 20)
    # Other events of those actions are left out, so that nothing is said of what actions did.
    assert report["findings_by_code"] == {"actions_not_checked": 1}


def test_what_a_witness_signed_goes_along_and_counts(sealed, tmp_path, live_db):
    witness = Key("example.org/witness", bytes(range(32)))
    row = Checkpoint.objects.order_by("tree_size")[2]
    line = witness.cosign(outside.Checkpoint.parse(row.note).note.text, 1_800_000_000)
    with role(live_db, "sequencer"):
        keep(row.tree_size, "witness", "w", line.encode())
    keys = [SIGNER.verifier, witness.verifier]
    for report in (
        outside.verify_bundle(outside.Bundle(out(tmp_path, "--all")), keys),
        verify_database(keys=keys),
    ):
        assert (report["ok"], report["witnesses"]) == (True, {"example.org/witness": row.tree_size})
