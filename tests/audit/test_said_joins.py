"""What only joins two names is not taken for a sentence where it stands in a name."""

from __future__ import annotations

from audit.wording import Sentences

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
