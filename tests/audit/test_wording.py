"""Sentences of the record in another language: the same names and numbers, in a sentence of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audit.wording import Pattern, Sentences
from audit.wording.figures import german

KNOWN = {
    "approved": "genehmigt",
    "{0} {1} the calendar {2}.": "{0} hat den Kalender {2} {1}.",
    "{0} was not approved: {1}": "{0} wurde nicht genehmigt: {1}",
    "you proposed it": "Sie haben es vorgeschlagen",
    "Ask another approver": "Fragen Sie jemand anderen",
    "made": "angelegt",
    "{0} working hours": "{0} Arbeitsstunden",
    "in {0}": "in {0}",
}


def say(text: str) -> str:
    return Sentences(KNOWN, german).say(text)


def test_a_whole_sentence_is_looked_up_with_and_without_its_full_stop_and_capital() -> None:
    assert say("Approved.") == "Genehmigt."
    assert say("ask another approver") == "Fragen Sie jemand anderen"


def test_names_go_where_the_other_language_wants_them() -> None:
    assert say("Alice made the calendar Berlin.") == "Alice hat den Kalender Berlin angelegt."


def test_what_stands_in_a_hole_is_said_in_the_other_language_too() -> None:
    assert say("Robo was not approved: you proposed it. Ask another approver.") == (
        "Robo wurde nicht genehmigt: Sie haben es vorgeschlagen. Fragen Sie jemand anderen."
    )


def test_several_sentences_are_told_apart_even_after_words_that_nobody_knows() -> None:
    assert say("Zzz zzz. Ask another approver.") == "Zzz zzz. Fragen Sie jemand anderen."


def test_what_nobody_knows_stays_as_it_is() -> None:
    assert say("Something else altogether") == "Something else altogether"
    assert say("") == ""
    assert say("1,234") == "1,234"


def test_money_and_dates_are_written_as_the_language_writes_them() -> None:
    assert german("Pay 12,500.00 EUR by Monday 30 Nov 2026, 09:30") == (
        "Pay 12.500,00 EUR by Montag, 30. Nov. 2026, 09:30"
    )
    assert german("PO-1,234 XX, 5 JPY, version 1.234") == "PO-1,234 XX, 5 JPY, version 1.234"


@given(st.text(max_size=300), st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_any_text_is_said_somehow_and_names_are_never_lost(text: str, one: str, two: str) -> None:
    assert isinstance(say(text), str)
    pattern = Pattern("{0} and not {1}", "nicht {1}, sondern {0}")
    found = pattern.found_in(f"{one} and not {two}")
    assert found is not None
    assert pattern.filled(found).startswith("nicht ")


def test_what_is_longer_than_any_sentence_is_not_looked_through() -> None:
    assert say("Ask another approver. " * 200) == "Ask another approver. " * 200


def test_what_stands_in_quotation_marks_is_somebodys_own():
    known = {"{0} for {1}": "{0} für {1}", "Reason": "Grund", "Add “Save it”": "“Save it” hinzufügen"}
    sentences = Sentences({**known, "{0}: {1}": "{0}: {1}"})
    assert sentences.say("Reason: “set up for a test”") == "Grund: “set up for a test”"
    assert sentences.say("Add “Save it”") == "“Save it” hinzufügen"


def test_each_sentence_by_its_own_pattern_before_one_that_reaches_over_both():
    known = {
        "{0} needs a person": "{0} braucht eine Person",
        "{0} of {1} must agree.": "{0} von {1} müssen zustimmen.",
        "One person of {0} must agree.": "Eine Person von {0} muss zustimmen.",
    }
    said = Sentences(known).say("Everything needs a person. One person of Finance must agree.")
    assert said == "Everything braucht eine Person. Eine Person von Finance muss zustimmen."
