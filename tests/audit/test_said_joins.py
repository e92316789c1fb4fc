"""What only joins two names is not taken for a sentence where it stands in a name."""

from __future__ import annotations

from django.utils.safestring import mark_safe
from django.utils.translation import override

from audit.wording import Sentences, name_in, said

SENTENCES = Sentences(
    {
        "{0} of {1}": "{0} von {1}",
        "offered to {0}": "angeboten für {0}",
        "{0} is new": "{0} ist neu",
        "{0} left": "{0} übrig",
    }
)


def test_a_word_between_names_does_not_mix_languages():
    assert SENTENCES.say("3 of 5") == "3 von 5"
    assert SENTENCES.say("House of Cards is new") == "House of Cards ist neu"
    assert SENTENCES.say("What a person thinks of it today") == "What a person thinks of it today"


def test_a_pattern_is_known_with_and_without_its_capital_letter():
    assert SENTENCES.say("Offered to Bob") == "Angeboten für Bob"
    assert SENTENCES.say("offered to Bob") == "angeboten für Bob"
    assert SENTENCES.say("17 left") == "17 übrig"


def test_a_sentence_recorded_with_its_full_stop_is_known_without_it():
    sentences = Sentences({"A rule was added.": "Eine Regel wurde hinzugefügt."})
    assert sentences.say("A rule was added") == "Eine Regel wurde hinzugefügt"
    assert sentences.say("a rule was added.") == "Eine Regel wurde hinzugefügt."


def test_sentences_that_are_known_as_they_stand_are_not_guessed_at_by_a_pattern():
    sentences = Sentences(
        {"They see what waits for you.": "Sie sehen es.", "{0} waits for {1}": "{0} wartet auf {1}"}
    )
    said = sentences.say("They see what waits for you. Robo waits for Bob")
    assert said == "Sie sehen es. Robo wartet auf Bob"


def test_words_that_are_listed_are_said_one_by_one():
    sentences = Sentences({"pause it": "anhalten", "retire it": "stilllegen"})
    assert sentences.say("pause it, retire it, ERP") == "anhalten, stilllegen, ERP"
    assert sentences.say("pause it, and so on") == "pause it, and so on"


def test_holes_that_follow_each_other_are_one():
    sentences = Sentences({"{0} stopped {1}{2}.": "{0} hat {1}{2} gestoppt."})
    assert sentences.say("Dave stopped Robo (drill).") == "Dave hat Robo (drill) gestoppt."


def test_markup_is_not_looked_up_and_stays_markup():
    html = mark_safe("<b>paused</b>")
    with override("de"):
        assert said(html) is html


def test_a_name_beside_words_of_ours_is_only_looked_up_whole():
    with override("de"):
        assert name_in("Inbox") == "Eingang"
        assert name_in("Inbox of nobody") == "Inbox of nobody"
