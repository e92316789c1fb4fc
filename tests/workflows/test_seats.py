"""Whose place a vote takes, whatever graph of people handing on to each other there is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.vocabulary import Actor, ActorKind
from workflows.approvals.policies import (
    Absence,
    Ballot,
    Handing,
    Seat,
    open_seats,
    seats_of,
    why_not_away,
    why_not_vote,
)

PEOPLE = "abcdef"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY = NOW.date()
BALLOT = Ballot("it", "pending", "d", NOW + timedelta(hours=1), "robo", (), (), "Approvers", NOW)
person = st.sampled_from(PEOPLE)
some = st.sets(person, max_size=3)


def away(giver: str, delegate: str, first: int = 0, last: int = 5) -> Absence:
    return Absence(giver, delegate, TODAY + timedelta(first), TODAY + timedelta(last))


def why_not(ballot: Ballot, seat: Seat, approvers: set[str]) -> str:
    actor = Actor(ActorKind.PERSON, seat.voter, seat.voter)
    refusal = why_not_vote(actor, ballot, digest="d", is_member=seat.counts_for in approvers, seat=seat)
    return refusal.code if refusal else ""


@given(
    handings=st.sets(st.builds(Handing, person, person), max_size=12),
    barred=some,
    approvers=st.sets(person),
    requester=person,
    tries=st.lists(st.tuples(person, st.integers(0, 8)), max_size=14),
)
def test_nobody_who_is_barred_counts_and_nobody_counts_twice(handings, barred, approvers, requester, tries):
    ballot = replace(BALLOT, requester_id=requester, excluded_ids=barred, voted=())
    counted: list[Seat] = []
    for voter, choice in tries:
        seats = seats_of(voter, handings)
        seat = seats[choice % len(seats)]
        is_open = seat in open_seats(
            [seat], barred={requester, *barred}, taken=ballot.voted, may_decide=approvers
        )
        assert is_open is (why_not(ballot, seat, approvers) == "")
        if is_open:
            counted.append(seat)
            ballot = replace(ballot, voted=(*ballot.voted, *seat.people))
    through = [one for seat in counted for one in seat.people]
    assert len(through) == len(set(through))
    assert not {requester, *barred} & set(through)
    assert {seat.counts_for for seat in counted} <= approvers - {requester, *barred}


@given(handings=st.sets(st.builds(Handing, person, person), max_size=12), voter=person)
def test_a_seat_is_a_chain_of_at_most_two_links_that_were_given(handings, voter):
    links = {(one.giver, one.delegate) for one in handings}
    seats = seats_of(voter, handings)
    assert seats[0] == Seat((voter,))
    for seat in seats:
        assert 1 <= len(seat.people) <= 3
        assert len(set(seat.people)) == len(seat.people)
        assert set(zip(seat.people[:-1], seat.people[1:], strict=True)) <= links


def test_a_delegation_of_a_delegation_counts_and_one_more_does_not():
    line = [Handing("a", "b"), Handing("b", "c"), Handing("c", "d")]
    agreed = [Handing("a", "b", by_others=True), Handing("b", "c")]
    assert [seat.people for seat in seats_of("b", agreed)] == [("b",), ("a", "b")]
    assert [seat.people for seat in seats_of("c", agreed)] == [("c",), ("b", "c")]
    assert Seat(("a", "b", "c")) in seats_of("c", line)
    assert {seat.counts_for for seat in seats_of("d", line)} == {"d", "c", "b"}


def test_who_is_away_counts_once_also_when_they_vote_themselves():
    voted = replace(BALLOT, voted=("a",))
    assert why_not(voted, Seat(("a", "b")), {"a"}) == "already_voted"
    by_another = replace(BALLOT, voted=("a", "b"))
    assert why_not(by_another, Seat(("a",)), {"a"}) == "already_voted"
    assert why_not(by_another, Seat(("b",)), {"a", "b"}) == "already_voted"


@pytest.mark.parametrize("people", [("a", "b"), ("b", "a"), ("a", "c", "b"), ("c", "a", "b")])
def test_nothing_comes_back_to_who_asked_by_handing_it_on(people):
    asked = replace(BALLOT, requester_id="a")
    assert why_not(asked, Seat(people), set(PEOPLE)) == "four_eyes"
    assert why_not(replace(BALLOT, excluded_ids=("a",)), Seat(people), set(PEOPLE)) == "four_eyes"


def test_only_the_right_of_who_is_away_counts():
    assert why_not(BALLOT, Seat(("a", "b")), {"a"}) == ""
    assert why_not(BALLOT, Seat(("a", "b")), {"b"}) == "not_an_approver"


@pytest.mark.parametrize(
    ("wish", "others", "code"),
    [
        (away("a", "b"), [], ""),
        (away("a", "a"), [], "delegate_is_oneself"),
        (away("a", "b", 3, 2), [], "days_wrong"),
        (away("a", "b", -3, -1), [], "days_wrong"),
        (away("a", "b", 0, 366), [], "days_wrong"),
        (away("a", "b", 0, 365), [], ""),
        (away("a", "b"), [away("a", "c", 5, 9)], "already_away"),
        (away("a", "b"), [away("a", "c", 6, 9)], ""),
        (away("a", "b"), [away("b", "a", 5, 5)], "delegation_cycle"),
        (away("a", "b"), [away("b", "a", 6, 9)], ""),
        (away("a", "b"), [away("b", "c"), away("c", "a")], "delegation_cycle"),
        (away("a", "b"), [away("b", "c"), away("c", "b")], ""),
    ],
)
def test_who_may_be_away_when(wish, others, code):
    refusal = why_not_away(wish, others, today=date(2026, 3, 2))
    assert (refusal.code if refusal else "") == code
