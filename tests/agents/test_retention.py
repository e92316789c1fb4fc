"""Keeping longer and holding count at once; whatever destroys evidence takes two persons, who read how much."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse

from agents.models import ChangeRequest
from agents.services import changes
from agents.services import retention as services
from audit import notes, retention, selectors
from audit.models import Event, LegalHold, RetentionRule
from audit.services import erasing, sequence_pending
from audit.services.recording import record_event
from audit.services.sealing import Sealer, SignedBefore
from audit.vocabulary import Actor, Ref, Refusal
from tests.agents.test_admin import signed_in
from tests.audit.conftest import role

WHY = "Because the test says so"


def approve(bob: Any, change: ChangeRequest) -> None:
    changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)


def set_days(who: Any, days: int, department: Any = None, code: str = "ledger.words") -> Any:
    return services.set_days(
        actor=who.as_actor(), data_class=code, department=department, days=days, reason=WHY
    )


def test_longer_counts_at_once_and_shorter_waits(db: None, alice: Any, bob: Any, finance: Any) -> None:
    assert isinstance(set_days(alice, 800, finance), RetentionRule)
    assert retention.days_of("ledger.words", str(finance.pk)) == 800
    change = set_days(alice, 300, finance)
    assert isinstance(change, ChangeRequest)
    assert retention.days_of("ledger.words", str(finance.pk)) == 800
    assert "300 days instead of 800" in change.authority[0]
    assert "would erase" in change.authority[1]
    with pytest.raises(Refusal, match="somebody else must decide"):
        approve(alice, change)
    approve(bob, change)
    rule = RetentionRule.objects.get()
    assert (rule.days, retention.days_of("ledger.words", "")) == (300, 396)
    assert [row.days for row in rule.history.all()] == [300, 800]
    assert rule.history.first().history_user == bob
    told = Event.objects.filter(verb="audit.retention_set").order_by("pk").last()
    assert told.payload.data["before"] == 800


def test_a_rule_that_changed_meanwhile_is_read_again(db: None, alice: Any, bob: Any) -> None:
    change = set_days(alice, 300)
    set_days(alice, 900)
    with pytest.raises(Refusal, match="has changed since"):
        approve(bob, change)


@pytest.mark.parametrize("days", [182, 0, -5, 10**9])
def test_the_service_keeps_nothing_shorter_than_the_law_says(db: None, alice: Any, days: int) -> None:
    with pytest.raises(Refusal, match="183"):
        set_days(alice, days)
    assert not RetentionRule.objects.exists()


def test_who_may_not_is_refused(db: None, bob: Any, carol: Any) -> None:
    for who in (bob, carol):
        with pytest.raises(Refusal, match="do not include this right"):
            set_days(who, 500)
        with pytest.raises(Refusal, match="do not include this right"):
            services.place_hold(actor=who.as_actor(), reason=WHY, scope="run", target_id="1")
        with pytest.raises(Refusal, match="do not include this right"):
            services.propose_erasure(actor=who.as_actor(), subject=Ref("tests.thing", "1"), reason=WHY)


def test_a_hold_counts_at_once_and_two_persons_end_it(db: None, alice: Any, bob: Any) -> None:
    hold = services.place_hold(actor=alice.as_actor(), reason=WHY, scope="run", target_id="run-1")
    change = services.propose_end_of_hold(actor=alice.as_actor(), hold=hold, reason=WHY)
    assert "because: Because the test says so" in change.authority[1]
    assert retention.holds()
    with pytest.raises(Refusal, match="somebody else must decide"):
        approve(alice, change)
    approve(bob, change)
    hold.refresh_from_db()
    assert (hold.ended_by_id, hold.agreed_by_id) == (str(alice.pk), str(bob.pk))
    assert not retention.holds()
    with pytest.raises(Refusal, match="is over"):
        services.propose_end_of_hold(actor=alice.as_actor(), hold=hold, reason=WHY)


def test_an_erasure_on_request_waits_and_then_leaves_no_words(
    live_db: Any, alice: Any, bob: Any, tmp_path: Any
) -> None:
    signer = notes.Signer.fresh("example.com/ledger")
    thing = Ref("agents.user", "0190", "Zanzibar Person")
    with transaction.atomic():
        record_event(
            actor=Actor.system("tests"),
            verb="agents.person_changed",
            subject=thing,
            sentence="Zanzibar Person moved.",
            payload={"name": "Zanzibar"},
        )
    with role(live_db, "sequencer"):
        sequence_pending()
        Sealer(lambda: [signer], SignedBefore(tmp_path / "last")).seal()
    change = services.propose_erasure(actor=alice.as_actor(), subject=thing, reason=WHY)
    assert any("Payloads of events: 1, from" in said for said in change.authority)
    assert any("Words of events (names, sentence, reason): 1, from" in said for said in change.authority)
    assert "Zanzibar" not in f"{change.summary} {change.target_label} {change.payload} {change.authority}"
    assert Event.objects.filter(sentence__contains="Zanzibar").exists()
    approve(bob, change)
    assert not Event.objects.filter(sentence__contains="Zanzibar").exists()
    told = Event.objects.filter(verb="audit.content_erased")
    assert {event.subject_id for event in told} == {str(change.pk)}
    with pytest.raises(Refusal, match="erased already"):
        services.propose_erasure(actor=alice.as_actor(), subject=thing, reason=WHY)
    event = Event.objects.get(verb="agents.person_changed")
    client = signed_in(alice)
    alice.is_superuser = True
    alice.save()
    page = client.get(reverse("admin:audit_event_change", args=[event.pk])).content.decode()
    assert page.count("under: a request that two persons agreed on") >= 2
    assert "Erased on" in client.get(reverse("admin:audit_event_changelist")).content.decode()


class TestAdmin:
    def page(self, name: str, *args: Any) -> str:
        return reverse(f"admin:audit_{name}", args=args)

    def test_a_rule_is_added_kept_longer_and_shorter_only_with_another(
        self, db: None, alice: Any, finance: Any
    ) -> None:
        client = signed_in(alice)
        form = {"data_class": "ledger.payloads", "department": str(finance.pk), "days": 500, "reason": WHY}
        client.post(self.page("retentionrule_add"), form)
        rule = RetentionRule.objects.get()
        assert (rule.days, rule.department_label) == (500, finance.name)
        own = self.page("retentionrule_change", rule.pk)
        said = client.post(own, {"days": 200, "reason": WHY}, follow=True).content.decode()
        assert "Keep 200 days instead of 500" in said
        rule.refresh_from_db()
        assert rule.days == 500
        assert ChangeRequest.objects.get().target_id == str(rule.pk)
        shown = client.get(reverse("admin:agents_changerequest_change", args=[ChangeRequest.objects.get().pk]))
        assert "The next run of the clock would erase" in shown.content.decode()

    def test_the_form_keeps_nothing_shorter_than_the_law_says(self, db: None, alice: Any) -> None:
        form = {"data_class": "ledger.payloads", "days": 182, "reason": WHY}
        said = signed_in(alice).post(self.page("retentionrule_add"), form).content.decode()
        assert "At least 183 days" in said
        assert not RetentionRule.objects.exists()
        assert not ChangeRequest.objects.exists()

    def test_a_hold_is_placed_and_its_end_waits(self, db: None, alice: Any) -> None:
        client = signed_in(alice)
        client.post(self.page("legalhold_add"), {"scope": "agent", "target_id": "a-1", "reason": WHY})
        hold = LegalHold.objects.get()
        assert (hold.reason, hold.placed_by_id) == (WHY, str(alice.pk))
        answer = client.post(
            self.page("legalhold_end_hold", hold.pk),
            {"_form_submitted": "1", "reason": WHY},
            headers={"hx-request": "true"},
        )
        assert answer.status_code == 200
        assert ChangeRequest.objects.get().kind == services.END_HOLD
        said = client.post(self.page("legalhold_add"), {"scope": "period", "reason": WHY}).content.decode()
        assert "period needs" in said
        assert client.get(self.page("legalhold_changelist")).status_code == 200

    def test_the_button_of_an_event_asks_for_its_erasure(
        self, db: None, alice: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[Any] = []
        monkeypatch.setattr(retention, "_proposers", [lambda *given: asked.append(given) or "It waits."])
        set_days(alice, 500)
        event = Event.objects.get(verb="audit.retention_set")
        for what in ("event", "subject", "actor", "everything"):
            signed_in(alice).post(
                self.page("event_erase", event.pk),
                {"_form_submitted": "1", "reason": WHY, "what": what},
                headers={"hx-request": "true"},
            )
        assert [given[1].kind for given in asked] == ["audit.event", "audit.retentionrule", "agents.user"]


def test_the_clock_tells_that_it_failed(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> int:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(erasing, "erase_expired", fails)
    with pytest.raises(RuntimeError):
        erasing.erase_expired_and_tell()
    assert Event.objects.get(verb="audit.erasing_failed").code == "RuntimeError"


def test_the_command_says_what_would_go(db: None, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.management import call_command

    now = selectors.database_now()
    monkeypatch.setattr(selectors, "database_now", lambda: now + timedelta(days=400))
    call_command("erase_expired", "--dry-run")
    assert "Nothing was erased." in capsys.readouterr().out
    call_command("erase_expired")
    assert "Erased 0 entries." in capsys.readouterr().out


def test_what_waits_for_somebody_keeps_its_events(db: None, alice: Any, finance: Any) -> None:
    waiting = set_days(alice, 300, finance)
    about = Event.objects.filter(subject_kind="agents.changerequest", subject_id=str(waiting.pk))
    assert about.exists()
    assert not about.exclude(retention.events_in_use()).exists()
    changes.withdraw_change(actor=alice.as_actor(), change_request=waiting, reason=WHY)
    assert not about.filter(retention.events_in_use()).exists()
