"""An answer is asked for again when it is old, and what is kept has an end."""

from __future__ import annotations

from autonomy.remembered import Remembered


def test_an_answer_is_kept_for_its_seconds_and_asked_for_afterwards():
    now, asked = [0.0], list[float]()

    def ask() -> float:
        asked.append(now[0])
        return now[0]

    answers: Remembered[float] = Remembered(seconds=30, most=9, clock=lambda: now[0])
    assert answers.remembered("a", ask) == 0
    now[0] = 29.9
    assert answers.remembered("a", ask) == 0
    assert answers.remembered("b", ask) == 29.9
    now[0] = 30.0
    assert answers.remembered("a", ask) == 30.0
    answers.forget()
    assert answers.remembered("a", ask) == 30.0
    assert asked == [0, 29.9, 30.0, 30.0]


def test_with_too_many_all_are_forgotten():
    answers: Remembered[int] = Remembered(seconds=30, most=2)
    for key in range(5):
        answers.remembered(key, lambda key=key: key)
    assert len(answers._kept) <= 2
