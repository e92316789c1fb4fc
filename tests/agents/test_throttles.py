from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from agents.models import ChangeRequest, Throttle
from agents.selectors import authority_snapshot, throttles_of
from agents.services import changes, throttles
from audit.models import Event
from audit.vocabulary import Ref, Refusal
from tests.agents.authority import catalogue

WHY = "The ERP is slow in the morning"


@pytest.fixture(autouse=True)
def operations() -> Iterator[None]:
    with catalogue():
        yield


def add(who: Any, agent: Any, **content: Any) -> Throttle:
    return throttles.add_throttle(
        actor=who.as_actor(),
        name="Robo's calls",
        scope_kind="agent",
        scope_id=agent.code,
        content={"most_at_once": 5, **content},
        reason=WHY,
    )


def change(who: Any, throttle: Throttle, **changed: Any) -> throttles.ThrottleChange:
    return throttles.propose_throttle_change(
        actor=who.as_actor(), throttle=throttle, changes=changed, reason=WHY
    )


@pytest.mark.django_db
class TestServices:
    def test_adding_counts_at_once_and_is_on_record(self, working: Any, alice: Any) -> None:
        throttle = add(alice, working, most=10, per_seconds=60)
        assert (throttle.scope_id, throttle.scope_label) == (str(working.pk), "Robo")
        assert throttle.words == "at most 5 at once and 10 in 60 seconds (Robo)"
        assert list(throttles_of([Ref("agent", str(working.pk)), Ref("system", "x")])) == [throttle]
        assert Event.objects.filter(verb="agents.throttle_added", reason=WHY).count() == 1
        assert throttle.history.get().history_change_reason == WHY

    def test_tightening_is_instant_and_loosening_waits_for_a_second_person(
        self, working: Any, alice: Any, bob: Any
    ) -> None:
        throttle = add(alice, working)
        assert change(alice, throttle, most_at_once=2).throttle.most_at_once == 2
        waiting = change(alice, throttle, most_at_once=9, name="Calls of Robo").change_request
        throttle.refresh_from_db()
        assert waiting is not None
        assert (throttle.most_at_once, throttle.name) == (2, "Robo's calls")
        assert "at most at once 2 becomes 9" in waiting.summary
        with pytest.raises(Refusal) as refused:
            changes.apply_change(actor=alice.as_actor(), change_request=waiting, reason=WHY)
        assert refused.value.code == "same_person"
        changes.apply_change(actor=bob.as_actor(), change_request=waiting, reason=WHY)
        throttle.refresh_from_db()
        assert (throttle.most_at_once, throttle.name) == (9, "Calls of Robo")

    def test_switching_off_waits_for_a_second_person_and_switching_on_does_not(
        self, working: Any, alice: Any, bob: Any
    ) -> None:
        throttle = add(alice, working)
        waiting = change(alice, throttle, is_enabled=False).change_request
        assert waiting is not None
        changes.apply_change(actor=bob.as_actor(), change_request=waiting, reason=WHY)
        assert not throttles_of([Ref("agent", str(working.pk))]).exists()
        assert change(alice, throttle, is_enabled=True).change_request is None
        assert throttles_of([Ref("agent", str(working.pk))]).exists()

    def test_a_proposal_is_stale_once_the_throttle_has_changed(
        self, working: Any, alice: Any, bob: Any
    ) -> None:
        throttle = add(alice, working)
        waiting = change(alice, throttle, most_at_once=9).change_request
        change(alice, throttle, most_at_once=1)
        with pytest.raises(Refusal) as refused:
            changes.apply_change(actor=bob.as_actor(), change_request=waiting, reason=WHY)
        assert refused.value.code == "stale_target"

    def test_since_when_it_is_in_force_moves_with_what_it_says_alone(self, working: Any, alice: Any) -> None:
        throttle = add(alice, working)
        renamed = change(alice, throttle, name="Calls of Robo").throttle
        assert renamed.in_force_since == throttle.in_force_since
        assert change(alice, throttle, most_at_once=4).throttle.in_force_since > throttle.in_force_since

    def test_it_is_no_part_of_a_decision(self, working: Any, alice: Any) -> None:
        before = authority_snapshot().version
        add(alice, working)
        assert authority_snapshot().version == before

    def test_who_may_not_and_what_is_not_there_are_refused(self, working: Any, dave: Any, alice: Any) -> None:
        with pytest.raises(Refusal) as refused:
            add(dave, working)
        assert refused.value.code == "permission_missing"
        role = {"scope_kind": "role", "scope_id": "bookkeeper"}
        with pytest.raises(Refusal) as refused:
            throttles.add_throttle(actor=alice.as_actor(), name="x", **role, content={}, reason=WHY)
        assert refused.value.code == "scope_unknown"
        throttle = add(alice, working)
        with pytest.raises(Refusal) as refused:
            change(dave, throttle, most_at_once=1)
        assert refused.value.code == "permission_missing"

    @pytest.mark.parametrize(
        "content",
        [
            {"most_at_once": 0},
            {"most_at_once": None},
            {"most": 3},
            {"per_seconds": 3},
            {"most": 3, "per_seconds": 0},
            {"most": 3, "per_seconds": 86_401},
        ],
    )
    def test_what_makes_no_sense_is_refused_by_the_service_and_by_the_database(
        self, working: Any, alice: Any, content: dict[str, Any]
    ) -> None:
        with pytest.raises(ValidationError):
            add(alice, working, **content)
        throttle = add(alice, working)
        with pytest.raises(IntegrityError), transaction.atomic():
            Throttle.objects.filter(pk=throttle.pk).update(**content)


def test_who_locks_without_a_transaction_is_told() -> None:
    with pytest.raises(RuntimeError):
        throttles.lock_throttles([])


numbers = st.one_of(st.none(), st.integers(1, 5))
rates = st.one_of(st.just((None, None)), st.tuples(st.integers(1, 5), st.integers(1, 5)))
anything = st.builds(
    lambda most_at_once, rate, is_enabled: Throttle(
        most_at_once=most_at_once, most=rate[0], per_seconds=rate[1], is_enabled=is_enabled
    ),
    numbers,
    rates,
    st.booleans(),
)


def passes(throttle: Throttle, begun: list[int], ended: list[int]) -> bool:
    """Say whether a throttle lets this many begin and end at these seconds, each as it comes."""
    for now, at in enumerate(begun):
        under_way = sum(1 for index in range(now) if ended[index] > at)
        if throttle.is_enabled and throttle.most_at_once is not None and under_way >= throttle.most_at_once:
            return False
        recent = sum(1 for index in range(now) if begun[index] > at - (throttle.per_seconds or 0))
        if throttle.is_enabled and throttle.most is not None and recent >= throttle.most:
            return False
    return True


@given(
    anything,
    anything,
    st.lists(st.tuples(st.integers(0, 8), st.integers(1, 8)), max_size=8),
)
def test_what_only_tightens_lets_nothing_pass_that_waited_before(
    old: Throttle, new: Throttle, work: list[tuple[int, int]]
) -> None:
    begun = sorted(at for at, _ in work)
    ended = [at + took for at, (_, took) in zip(begun, work, strict=True)]
    if not throttles.is_looser(old, new) and passes(new, begun, ended):
        assert passes(old, begun, ended)


@pytest.mark.django_db
class TestPages:
    FORM = {
        "name": "Calls of Robo",
        "most_at_once": "5",
        "most": "",
        "per_seconds": "",
        "is_enabled": "on",
        "reason": WHY,
    }

    @pytest.fixture
    def client(self, alice: Any) -> Client:
        client = Client()
        client.force_login(alice)
        return client

    def test_a_manager_adds_tightens_and_asks_for_more(self, client: Client, working: Any) -> None:
        address = reverse("admin:agents_throttle_changelist")
        assert "Nothing waits for its turn" in client.get(address).content.decode()
        adding = reverse("admin:agents_throttle_add")
        assert "Robo (robo)" in client.get(adding).content.decode()
        client.post(adding, {**self.FORM, "scope": f"agent:{working.pk}"})
        throttle = Throttle.objects.get()
        page = reverse("admin:agents_throttle_change", args=[throttle.pk])
        client.post(page, {**self.FORM, "most_at_once": "3"})
        throttle.refresh_from_db()
        assert throttle.most_at_once == 3
        answer = client.post(page, {**self.FORM, "most_at_once": "8"}, follow=True)
        assert answer.content.decode().count("waits for a second person") == 1
        throttle.refresh_from_db()
        assert throttle.most_at_once == 3
        text = client.get(page).content.decode()
        assert "Tasks it has" in text
        assert "added the throttle" in text
        assert "at most 3 at once" in client.get(address).content.decode()
        assert ChangeRequest.objects.filter(target_kind="agents.throttle").count() == 1

    def test_half_a_rate_comes_back_with_what_is_wrong(self, client: Client, working: Any) -> None:
        form = {**self.FORM, "scope": f"agent:{working.pk}", "most": "3"}
        answer = client.post(reverse("admin:agents_throttle_add"), form)
        assert "A rate is both" in answer.content.decode()
        assert not Throttle.objects.exists()

    def test_the_preview_says_it_in_words_and_changes_nothing(
        self, client: Client, working: Any, alice: Any
    ) -> None:
        address = reverse("admin:agents_throttle_preview")
        form = {"scope": f"agent:{working.pk}", "most_at_once": "2", "is_enabled": "on"}
        text = client.post(address, form).content.decode()
        assert "At most 2 at once (Robo)" in text
        assert "no further work while it has 2 tasks" in text
        assert not Throttle.objects.exists()
        throttle = add(alice, working)
        more = {"throttle": str(throttle.pk), "most_at_once": "6", "is_enabled": "on"}
        assert "waits for a second person" in client.post(address, more).content.decode()
        assert "Not complete yet" in client.post(address, {"throttle": "x\x00", "most": "³"}).content.decode()
