"""One pack of a company in which something of everything happened: whole, escaped, valid, the same again."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone
from jsonschema import Draft202012Validator

from agents.models import Acknowledgement
from agents.selectors import contract_of
from agents.services import contracts, lifecycle, stops
from audit import evidence
from audit.models import Event
from audit.services.evidence import build_pack, building, wanted
from audit.vocabulary import Actor, Refusal
from tests.conftest import on_database
from tests.world import World, undone
from workflows.actions.choices import State
from workflows.actions.services import edit_action, moving, resolve_in_doubt
from workflows.approvals import services as approvals
from workflows.approvals.models import Delegation, Opening
from workflows.runs.models import Intervention, WorkflowVersion

TESTS = Actor.system("tests")
WHY = "so that it is on record"
# Whoever names things may be anybody: markup, a formula, a change of direction, scripts of other alphabets.
HOSTILE = '=cmd|"</td><script>alert(1)</script>\u202egnp\x07 Ünïcode Ελλάδα Я 日本'
DOCS = Path(__file__).resolve().parent.parent / "docs"
REQUIRED = {
    "eu-ai-act": ["12(1)", "14(1)", *(f"14(4)({point})" for point in "abcde"), "19(1)"]
    + [f"26({paragraph})" for paragraph in (1, 2, 5, 6)],
    "iso-42001": ["A.6.2.6", "A.6.2.8", "A.9.2", "A.9.3", "A.9.4"],
    "soc-2": ["CC6.1", "CC6.2", "CC6.3", "CC6.8", "CC7.2", "CC7.3", "CC8.1", "PI1.3"],
    "owasp-aisvs-c9": ["9.1.3", "9.2.1", "9.2.8", "9.5.1", "9.5.6", "9.6.1", "9.6.3"],
}


def happen(world: World) -> None:
    """Let something of everything happen that an auditor asks about."""
    people = {name: person.as_actor() for name, person in world.people.items()}
    robo, action = world.own["agents"], world.own["actions"]
    lifecycle.update_agent(actor=people["alice"], agent=robo, changes={"purpose": HOSTILE}, reason=WHY)
    asked = action.approval
    Opening.objects.create(approval=asked, person=world.people["bob"])
    approvals.cast_vote(
        actor=people["bob"], approval_id=asked.pk, verdict="approve", digest=asked.digest, reason=HOSTILE
    )
    with transaction.atomic():
        action = moving.lock(action.pk)
        lost: dict[str, Any] = {"actor": TESTS, "action": action, "code": "no_answer", "sentence": "no answer"}
        moving.move(**lost, to=State.DISPATCHED, dispatched_at=timezone.now())
        moving.move(**lost, to=State.IN_DOUBT)
    resolve_in_doubt(actor=people["dave"], action_id=action.pk, outcome="failed", reason="it is not there")
    world.people["alice"].groups.add(Group.objects.get(name="Approvers"))
    other = world.other["actions"].approval
    changes = {"total": {"minor": 140_000}}
    edit_action(actor=people["alice"], approval_id=other.pk, changes=changes, reason=WHY, digest=other.digest)
    role = {"scope_kind": "role", "scope_id": str(robo.role_id)}
    drill = stops.raise_stop(actor=people["dave"], **role, reason="the yearly drill", is_exercise=True)
    Acknowledgement.objects.create(stop=drill, kind="whole", key="", outcome="done", version=drill.version)
    stops.lift_stop(actor=people["alice"], stop=drill, reason="it has arrived")
    digest = contract_of(robo).digest
    contracts.sign_contract(actor=people["sam"], agent=robo, digest=digest, reason="I have read it")
    lifecycle.pause_agent(actor=people["dave"], agent=robo, reason=WHY)
    told: dict[str, Any] = {"reason": WHY, "shapes": True, "changes": [{"step": "read"}]}
    Intervention.objects.create(run=world.own["runs"], verb="skip", by=world.people["dave"], **told)
    WorkflowVersion.objects.update(decided_at=timezone.now())
    bob, today = world.people["bob"], timezone.now().date()
    days = {"first_day": today, "last_day": today}
    Delegation.objects.create(giver=bob, delegate=world.people["root"], given_by=bob, **days, reason=WHY)


@contextmanager
def an_eventful_world(made_world: Any) -> Iterator[World]:
    name, world = made_world
    with on_database(name), undone():
        happen(world)
        yield world


def of_today(*departments: str) -> Any:
    today = timezone.localdate()
    return wanted(today, today, departments)


def until_now(*departments: str) -> Any:
    """Return what ends now, so that building it changes nothing of it."""
    asked = of_today(*departments)
    return replace(asked, scope=replace(asked.scope, until=asked.is_now))


@pytest.fixture
def plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes most of the time is to set the pages of the PDF."""
    monkeypatch.setattr("audit.services.evidence.pdf.write_pdf", lambda path, *_: path.write_bytes(b"%PDF"))


@pytest.fixture(scope="module")
def pack(made_world: Any, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The pack, in the world that it is about."""
    folder = tmp_path_factory.mktemp("evidence")
    with django_db_blocker.unblock(), an_eventful_world(made_world):
        build_pack(actor=TESTS, wanted=until_now(), out=folder / "pack")
        yield folder / "pack"


def tables(pack: Path) -> dict[str, Any]:
    data = json.loads((pack / "evidence.json").read_text())
    return {table["code"]: table for section in data["sections"] for table in section["tables"]}


def test_every_section_has_something_to_say(pack):
    data = json.loads((pack / "evidence.json").read_text())
    assert [section["code"] for section in data["sections"]] == [it.code for it in evidence.SECTIONS]
    empty = [it["code"] for it in data["sections"] if not sum(table["count"] for table in it["tables"])]
    assert empty == []


def test_it_is_what_its_schema_says(pack):
    schema = json.loads((DOCS / "evidence-pack.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    for name, part in (("evidence.json", "pack"), ("mapping.json", "mapping"), ("manifest.json", "manifest")):
        data = json.loads((pack / name).read_text())
        Draft202012Validator({**schema, "$ref": f"#/$defs/{part}"}).validate(data)


def test_the_manifest_names_every_file_with_its_hash(pack):
    listed = {it["name"]: it["sha256"] for it in json.loads((pack / "manifest.json").read_text())["files"]}
    there = {path.relative_to(pack).as_posix(): path for path in pack.rglob("*") if path.is_file()}
    assert set(listed) == set(there) - {"manifest.json"}
    for name, digest in listed.items():
        assert hashlib.sha256(there[name].read_bytes()).hexdigest() == digest, name


def test_tables_as_files_hold_every_row(pack):
    for code, table in tables(pack).items():
        heads = [column["code"] for column in table["columns"]]
        with (pack / table["files"]["csv"]).open(encoding="utf-8-sig", newline="") as sheet:
            rows = list(csv.reader(sheet))
        assert rows[0] == heads, code
        assert len(rows) - 1 == table["count"], code
        parsed = [json.loads(line) for line in (pack / table["files"]["jsonl"]).read_text().splitlines()]
        assert parsed[: len(table["rows"])] == table["rows"], code
        assert len(parsed) == table["count"]


def test_what_people_did_is_said_with_who_and_why(pack):
    found = tables(pack)
    (edit,) = found["interventions.edits"]["rows"]
    assert (edit["by"], edit["changed"], edit["reason"]) == ("alice", ["total"], WHY)
    (doubt,) = found["incidents.doubts"]["rows"]
    assert (doubt["by"], doubt["reason"], doubt["by_person"]) == ("dave", "it is not there", True)
    (drill,) = found["drills.stops"]["rows"]
    assert (drill["raised_by"], drill["lifted_by"], drill["answered"]) == ("dave", "alice", 0)
    assert drill["arrived_after"] is not None
    assert {stop["label"] for stop in found["interventions.stops"]["rows"]} == {"Spare"}
    (vote,) = found["approvals.votes"]["rows"]
    assert (vote["whose"], vote["verdict"], vote["opened"], vote["quick"]) == ("bob", "Approve", True, True)
    changed = [row for row in found["agents.changes"]["rows"] if row["kind"] == "Changed"]
    assert [row["by"] for row in changed if "purpose" in str(row["changes"])] == ["alice"]
    numbers = {(row["agent"], row["operation"]): row for row in found["numbers.actions"]["rows"]}
    assert numbers["robo", "fake.invoice.post"]["failed"] == 1
    assert numbers["robo", "fake.invoice.unknown"]["denied"] == 1
    grants = {(row["whom"], row["operation"]): row for row in found["access.grants"]["rows"]}
    assert grants["agent rival", "fake.invoice.find"]["flags"] == ["not used in the period"]
    carol = next(row for row in found["access.people"]["rows"] if row["username"] == "carol")
    assert (carol["decides"], carol["administers"], carol["sees_all"]) == (False, False, True)


class Strict(HTMLParser):
    """Holds every element to have an end, and lists what a page must not have."""

    EMPTY = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        assert tag not in {"script", "iframe", "object", "link", "img"}
        assert not any(name.startswith("on") or name == "style" for name in given)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_well_formed_and_escaped_and_needs_nothing_from_elsewhere(pack):
    text = (pack / "evidence.html").read_text()
    page = Strict()
    page.feed(text)
    page.close()
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    shown = "".join(page.text)
    assert "</td><script>alert(1)</script>[U+202E]gnp[U+0007] Ünïcode Ελλάδα Я 日本" in shown
    assert "\u202e" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_a_spreadsheet_runs_no_formula(pack):
    with (pack / "tables/agents-register.csv").open(encoding="utf-8-sig", newline="") as sheet:
        robo = next(row for row in csv.DictReader(sheet) if row["code"] == "robo")
    assert robo["purpose"].startswith("'=cmd")


def test_the_document_opens_with_embedded_fonts_and_as_many_pages_as_it_says(pack):
    content = (pack / "evidence.pdf").read_bytes()
    assert content.startswith(b"%PDF-1.")
    assert content.rstrip().endswith(b"%%EOF")
    assert int(re.search(rb"/Count (\d+)\s", content)[1]) > 10
    assert b"DejaVuSansCondensed" in content
    assert content.count(b"/FontFile2") >= 2
    assert b"/JavaScript" not in content


def test_the_mapping_speaks_of_every_row_that_is_asked_and_claims_nothing(pack):
    data = json.loads((pack / "mapping.json").read_text())
    found = {it["code"]: {row["id"]: row for row in it["rows"]} for it in data["frameworks"]}
    for code, rows in REQUIRED.items():
        assert [row for row in rows if row not in found[code]] == [], code
    counts = {code: table["count"] for code, table in tables(pack).items()}
    for row in (row for rows in found.values() for row in rows.values()):
        for part in row["evidence"]:
            of = sum(n for code, n in counts.items() if part["code"] in (code, code.partition(".")[0]))
            assert (part["entries"], part["has_content"]) == (of, of > 0)
        having = [part["has_content"] for part in row["evidence"]]
        assert row["content"] == ("all" if all(having) else "some" if any(having) else "none")
        assert not re.search(r"compl(y|ies|iant|iance)|conform|satisf|fulfil", row["shows"], re.IGNORECASE)


@pytest.mark.full
def test_the_same_again_is_the_same_in_every_document(pack, tmp_path):
    at = datetime.fromisoformat(json.loads((pack / "evidence.json").read_text())["built_at"])
    asked = of_today()
    asked = replace(asked, is_now=at, scope=replace(asked.scope, until=at))
    again = build_pack(actor=TESTS, wanted=asked, out=tmp_path / "pack")
    for name, digest in again.digests.items():
        assert hashlib.sha256((pack / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.full
@pytest.mark.usefixtures("plainly")
def test_one_file_is_the_same_too_and_that_it_was_built_is_on_record(pack, tmp_path):
    asked, before = until_now(), Event.objects.filter(verb="audit.evidence_built").count()
    first = build_pack(actor=TESTS, wanted=asked, out=tmp_path / "a.zip", limit=2)
    again = build_pack(actor=TESTS, wanted=asked, out=tmp_path / "b.zip", limit=2)
    assert first.path.read_bytes() == again.path.read_bytes()
    with ZipFile(first.path) as archive:
        assert set(building.DOCUMENTS) <= set(archive.namelist())
        shown = json.loads(archive.read("evidence.json"))
    cut = [table for section in shown["sections"] for table in section["tables"] if table["count"] > 2]
    assert cut
    assert {len(table["rows"]) for table in cut} == {2}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip"]
    built = Event.objects.filter(verb="audit.evidence_built").select_related("payload")
    assert built.count() == before + 2
    event = built.latest("id")
    assert event.payload.data["sha256"] == again.digests
    assert event.payload.data["rows"] == again.counts


OF_DEPARTMENTS = (
    *("agents.register", "agents.changes", "agents.contracts", "authority.grants", "access.grants"),
    *("access.secrets", "approvals.numbers", "approvals.people", "approvals.requests", "approvals.votes"),
    *("interventions.edits", "incidents.doubts", "numbers.actions", "numbers.every"),
)
NOBODYS = ("authority.changes", "interventions.runs")


@pytest.mark.usefixtures("plainly")
def test_one_department_is_told_of_its_own_only(pack, tmp_path):
    everything = build_pack(actor=TESTS, wanted=until_now("finance"), out=tmp_path / "finance").counts
    elsewhere = replace(of_today().scope, departments=frozenset({str(uuid4())}), agents=frozenset())
    nothing = build_pack(actor=TESTS, wanted=replace(of_today(), scope=elsewhere), out=tmp_path / "none").counts
    assert [code for code in OF_DEPARTMENTS if not everything[code]] == []
    assert [code for code in (*OF_DEPARTMENTS, *NOBODYS) if nothing[code]] == []
    assert nothing["access.people"] == 8


@pytest.mark.usefixtures("plainly")
def test_where_anything_fails_nothing_is_left(pack, tmp_path, monkeypatch):
    def broken(*_args: Any, **_more: Any) -> Any:
        raise OSError("the disk is full")

    before = Event.objects.count()
    monkeypatch.setattr(building, "_zipped", broken)
    with pytest.raises(OSError, match="disk is full"):
        build_pack(actor=TESTS, wanted=of_today(), out=tmp_path / "pack.zip")
    monkeypatch.setattr(building, "record_event", broken)
    with pytest.raises(OSError, match="disk is full"):
        build_pack(actor=TESTS, wanted=of_today(), out=tmp_path / "pack")
    assert list(tmp_path.iterdir()) == []
    assert Event.objects.count() == before


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [(1, 2, "is before"), (0, -1, "is not over"), (4_000, 0, "longer than"), (20_000, 19_999, "before there")],
)
def test_a_period_that_cannot_be_is_refused(pack, first, last, why):
    today = timezone.localdate()
    with pytest.raises(Refusal, match=why):
        wanted(today - timedelta(days=first), today - timedelta(days=last))


@pytest.mark.usefixtures("plainly")
def test_the_command_says_what_it_built_and_what_it_refused(pack, tmp_path):
    today = timezone.localdate().isoformat()
    out, there, new = StringIO(), tmp_path / "pack", str(tmp_path / "new")
    period = ["evidence_pack", "--from", today, "--to", today]
    call_command(*period, "--out", str(there), "--rows", "1", stdout=out)
    assert f"Built {there}" in out.getvalue()
    for more, why in (
        (["--out", str(there)], "already there"),
        (["--out", str(tmp_path / "no" / "pack")], "nothing can be written"),
        (["--out", new, "--department", "nowhere"], "no department with the code"),
        (["--out", new, "--mapping", str(tmp_path / "none.yaml")], "could not be read"),
        (["--out", new, "--rows", "0"], "show 1 to"),
        (["--out", new, "--to", "31.12.2026"], "is no day"),
    ):
        with pytest.raises(CommandError, match=why):
            call_command(*period, *more)
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


@pytest.mark.usefixtures("plainly")
def test_the_page_hands_the_pack_to_an_auditor_and_nobody_else(pack, made_world):
    clients = made_world[1].clients
    url = "/admin/audit/event/evidence/"
    assert clients["alice"].get(url).status_code == 403
    answer = clients["carol"].get(url)
    assert answer.status_code == 200
    assert b"Build and download" in answer.content
    today = timezone.localdate().isoformat()
    refused = clients["carol"].post(url, {"first": today, "last": "2999-01-01"})
    assert refused.status_code == 422
    assert b"is not over" in refused.content
    answer = clients["carol"].post(url, {"first": today, "last": today, "department": "finance"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert answer["Content-Disposition"] == f'attachment; filename="evidence-{today}-{today}.zip"'
    assert "no-store" in answer["Cache-Control"]
    assert b"".join(answer.streaming_content).startswith(b"PK")
    event = Event.objects.filter(verb="audit.evidence_built").latest("id")
    assert event.actor_label == "carol"


def test_a_page_does_not_wait_for_what_is_too_much(pack, made_world, monkeypatch):
    monkeypatch.setattr("audit.pages.evidence.MOST_ENTRIES", 3)
    today = timezone.localdate().isoformat()
    answer = (
        made_world[1].clients["carol"].post("/admin/audit/event/evidence/", {"first": today, "last": today})
    )
    assert answer.status_code == 413
    assert b"manage.py evidence_pack" in answer.content
