"""Stages: only the one that is on decides, in whatever order people come. Pure."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from workflows.approvals.policies.stages import Cast, Outcome, Standing, standing

PEOPLE = "abcdefgh"
quorums = st.lists(st.integers(1, 3), min_size=1, max_size=5)
votes = st.lists(
    st.builds(
        Cast,
        stage=st.integers(0, 6),
        approves=st.sampled_from([True, True, True, False]),
        people=st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3, unique=True).map(tuple),
    ),
    max_size=30,
)


def _told(needed, cast):
    return [standing(needed, cast[:count]) for count in range(len(cast) + 1)]


@given(quorums, votes)
def test_a_later_stage_never_decides_before_those_before_it(needed, cast):
    """Replayed by hand: whoever votes ahead of time changes nothing."""
    for before, after, vote in zip(_told(needed, cast), _told(needed, cast)[1:], cast, strict=False):
        if before.outcome is not Outcome.OPEN or vote.stage != before.stage:
            assert after == before
        assert before.stage <= after.stage <= before.stage + 1


@given(quorums, votes)
def test_it_ends_once_and_stays_as_it_ended(needed, cast):
    ends = [one for one in _told(needed, cast) if one.outcome is not Outcome.OPEN]
    assert len(set(ends)) <= 1


@given(quorums, votes)
def test_as_many_different_people_approve_as_all_quorums_together(needed, cast):
    end = standing(needed, cast)
    if end.outcome is not Outcome.APPROVED:
        return
    people, stage, yes = set(), 1, 0
    for vote in cast:
        if vote.stage != stage or people & set(vote.people) or stage > len(needed):
            continue
        assert vote.approves
        people |= set(vote.people)
        yes += 1
        if yes == needed[stage - 1]:
            stage, yes = stage + 1, 0
    assert stage == len(needed) + 1
    assert len(people) >= sum(needed)
    assert end.stage == len(needed)


@given(quorums, st.integers(0, 4))
def test_one_no_at_any_stage_ends_it(needed, at):
    at = min(at, len(needed) - 1)
    names = map(str, itertools.count())
    cast = [
        Cast(stage, True, (next(names),)) for stage, quorum in enumerate(needed[:at], 1) for _ in range(quorum)
    ]
    no = Cast(at + 1, False, ("no",))
    more = [Cast(stage, True, (next(names),)) for stage in range(1, 6) for _ in range(3)]
    assert standing(needed, [*cast, no, *more]) == Standing(at + 1, Outcome.REJECTED)


@given(quorums, quorums, votes)
def test_one_stage_more_never_approves_sooner(needed, more, cast):
    if standing([*needed, *more], cast).outcome is Outcome.APPROVED:
        assert standing(needed, cast).outcome is Outcome.APPROVED


@given(quorums, st.permutations(range(8)))
def test_within_one_stage_the_order_means_nothing(needed, order):
    cast = [Cast(1, True, (str(place),)) for place in range(min(8, needed[0]))]
    shuffled = [cast[place] for place in order if place < len(cast)]
    assert standing(needed, cast) == standing(needed, shuffled)
    expected = Outcome.APPROVED if len(needed) == 1 else Outcome.OPEN
    assert standing(needed, cast).outcome is expected
