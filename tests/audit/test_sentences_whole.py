"""A sentence is said whole in the other language, or stays whole in its own: never half in each."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.wording import Pattern, Sentences, fill, holes_of, sentences_in
from audit.wording.reading import MOST_LOOKS
from audit.wording.sentences import MOST_READ
from audit.wording.words import WORD, is_name

KNOWN = {
    "{0} is {1}.": "{0} ist {1}.",
    "paused": "angehalten",
    "The run is {0}, not an incident.": "Der Vorgang ist {0}, kein Zwischenfall.",
    "{0} was not changed: {1}": "{0} wurde nicht geändert: {1}",
    "{0} waits until {1}": "{0} wartet, bis {1}",
    "it is done": "es erledigt ist",
    "{0} may use {1}.": "{0} darf {1} verwenden.",
    "{0} stopped {1}.": "{0} hat {1} gestoppt.",
    "{0} days": "{0} Tage",
    "{0} day": "{0} Tag",
    "{0} of {1}": "{0} von {1}",
    "waiting for a person": "wartet auf eine Person",
    "the operation {0} is not known": "die Operation {0} ist nicht bekannt",
    "{0} is not known": "{0} ist unbekannt",
    "Denied: {0}": "Verweigert: {0}",
    "{0} failed and did nothing": "{0} ist fehlgeschlagen und hat nichts getan",
    "It answered {0}: {1}": "Es kam die Antwort {0}: {1}",
    "Entry {0}": "Eintrag {0}",
    "being numbered": "wird nummeriert",
    "Priority:": "Dringlichkeit:",
    "Approved: {0}": "Genehmigt: {0}",
    "{0} minute{1}": "{0} Min.",
    "{0} process{1} of {2} ended.": "Beendete Prozesse von {2}: {0}.",
    "{0} is {0} again.": "{0} ist wieder da.",
}
SENTENCES = Sentences(KNOWN)
# Those whose holes may hold any name; each but once.
OF_NAMES = [
    source
    for source, target in KNOWN.items()
    if holes_of(source) and sorted(holes_of(source)) == sorted(holes_of(target))
]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # The heaviest pattern whose holes are all known, not the heaviest of all.
        ("Denied: the operation erp.pay is not known", "Verweigert: die Operation erp.pay ist nicht bekannt"),
        ("The run is paused, not an incident.", "Der Vorgang ist angehalten, kein Zwischenfall."),
        ("Robo waits until it is done", "Robo wartet, bis es erledigt ist"),
        # What no pattern says whole stays as it is.
        ("The run is not what it was, not an incident.", "The run is not what it was, not an incident."),
        ("Robo waits until somebody has looked at it", "Robo waits until somebody has looked at it"),
        ("What was above it is paused.", "What was above it is paused."),
        # A name that ends in a word of ours is no number of it.
        ("Sick days", "Sick days"),
        ("3 days", "3 Tage"),
        # Names are nobody's words to translate, however they read.
        ("Robo may use Post an invoice.", "Robo darf Post an invoice verwenden."),
        ("Dave stopped the rival's.", "Dave hat the rival's gestoppt."),
        ("Sam stopped Invoices a day.", "Sam hat Invoices a day gestoppt."),
        ("Anna stopped IT.", "Anna hat IT gestoppt."),
        # After a colon somebody may speak in another language: both are whole.
        ("Zq was not changed: it was not theirs", "Zq wurde nicht geändert: it was not theirs"),
        ("It answered 500: it has gone away", "Es kam die Antwort 500: it has gone away"),
        # What stands in brackets at the end is said of what is before them.
        ("Invoice zq (waiting for a person)", "Invoice zq (wartet auf eine Person)"),
        ("ERP failed and did nothing (It answered 422: no).",
         "ERP ist fehlgeschlagen und hat nichts getan (Es kam die Antwort 422: no)."),
        ("It was as it is (waiting for a person)", "It was as it is (waiting for a person)"),
        ("Entry being numbered", "Eintrag wird nummeriert"),
        ("Priority: 3 days", "Dringlichkeit: 3 Tage"),
        # The other language has no place for the ending of a plural: nothing else may stand there.
        ("3 minutes", "3 Min."),
        ("1,200 minutes", "1,200 Min."),
        ("Approved: 3 minutes", "Genehmigt: 3 Min."),
        ("3 processes of Robo ended.", "Beendete Prozesse von Robo: 3."),
        ("Approved: Pay 3 minutes 90,000 EUR Evil Ltd.", "Genehmigt: Pay 3 minutes 90,000 EUR Evil Ltd."),
        ("3 minutes 90,000 EUR Evil Ltd.", "3 minutes 90,000 EUR Evil Ltd."),
        ("Pay 3 minutes", "Pay 3 minutes"),
        ("3 processes Evil Ltd. of Robo ended.", "3 processes Evil Ltd. of Robo ended."),
        # What stands twice in a sentence is the same both times.
        ("Robo is Robo again.", "Robo ist wieder da."),
        ("Robo is Evil again.", "Robo is Evil again."),
    ],
)  # fmt: skip
def test_a_sentence_is_said_whole_or_not_at_all(text: str, said: str) -> None:
    assert SENTENCES.say(text) == said


NAMES = st.from_regex(r"[A-Z][bcdfg]{3,8}", fullmatch=True)
CLAUSES = st.sampled_from(["it was not theirs", "what they would not do", "whether it has been", "you may not"])


@given(st.data())
def test_a_clause_nobody_knows_in_the_middle_of_a_sentence_keeps_all_of_it_in_english(
    data: st.DataObject,
) -> None:
    """Whatever pattern it is of: with a clause in a hole that does not stand alone, nothing of it is said."""
    middle = [it for it in OF_NAMES if not Pattern(it, "").stands_alone(0)]
    source = data.draw(st.sampled_from([it for it in middle if "{0}" in it and it != "{0} of {1}"]))
    clause = data.draw(CLAUSES)
    text = fill(source, {0: clause, 1: data.draw(NAMES)})
    shown = SENTENCES.say(text)
    assert shown == text or not _half(shown)


def _half(shown: str) -> bool:
    """Tell whether words of one language stand in a clause of the other one."""
    return any(
        set(WORD.findall(part.lower())) & SENTENCES.english and set(WORD.findall(part.lower())) & _german()
        for part in shown.replace("(", ": ").split(": ")
    )


def _german() -> set[str]:
    said = {word.lower() for target in KNOWN.values() for word in WORD.findall(target)}
    return said - {word.lower() for source in KNOWN for word in WORD.findall(source)}


@given(st.lists(NAMES, min_size=4, max_size=4), st.sampled_from(OF_NAMES))
def test_a_sentence_with_names_in_its_holes_is_said_whole(names: list[str], source: str) -> None:
    held = ["3"] * 4 if source in SENTENCES.counting else names
    shown = SENTENCES.say(fill(source, dict(enumerate(held))))
    assert not set(WORD.findall(shown.lower())) & SENTENCES.english


def _held_in(pattern: Pattern, name: str) -> dict[int, str]:
    """Return names for the holes of a pattern, and a number before each plural that it counts."""
    holes = holes_of(pattern.source)
    held = {hole: f"{name}{chr(97 + place)}" for place, hole in enumerate(holes)}
    for place in pattern.endings:
        held[holes[place - 1]], held[holes[place]] = "3", "s"
    return held


def test_every_pattern_of_the_catalogue_is_said_whole_with_names_in_its_holes() -> None:
    sentences = sentences_in("de")
    half = []
    for pattern in sentences.patterns:
        if pattern.source in sentences.counting:
            continue
        text = fill(pattern.source, _held_in(pattern, "Zq"))
        shown = sentences.say(text)
        ours = sentences.english - set(WORD.findall(pattern.target.lower()))
        if ours & set(WORD.findall(shown.lower())):
            half.append((text, shown))
    assert half == []


def test_what_a_translation_has_no_place_for_is_the_ending_of_a_number_of_things() -> None:
    endings = [pattern for pattern in sentences_in("de").patterns if pattern.endings]
    assert endings, "the catalogue has some of them"
    for pattern in endings:
        assert all(place and pattern.parts[place][-1:].isalpha() for place in pattern.endings), pattern.source


# Names nobody has, beside what a sentence of ours may be taken for.
_WRITTEN = st.lists(
    st.sampled_from(["3", "90,000 EUR", "Pay", "minutes", "Ltd.", "of", "for", "steps", "s", "(x)", ":"]),
    max_size=4,
).flatmap(lambda words: st.permutations([*words, "Zqxv"]))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_text_that_is_put_into_a_sentence_of_the_catalogue_vanishes(data: st.DataObject) -> None:
    sentences = sentences_in("de")
    outer, inner = (data.draw(st.sampled_from(sentences.patterns)) for _ in range(2))
    written = {hole: " ".join(data.draw(_WRITTEN)) for hole in holes_of(inner.source)}
    text = fill(inner.source, written)
    within = data.draw(st.sampled_from(holes_of(outer.source)))
    assert _kept(sentences.say(text), text)
    around = fill(outer.source, {**_held_in(outer, "Zqw"), within: text})
    assert _kept(sentences.say(around), around)


def test_no_text_in_any_hole_of_the_catalogue_vanishes() -> None:
    sentences, lost = sentences_in("de"), []
    for pattern in sentences.patterns:
        held = _held_in(pattern, "Zqw")
        tried = [{**held, hole: f"s 3 minutes {each}"} for hole, each in held.items() if pattern.endings]
        for values in ({hole: f"3 minutes {each} Ltd." for hole, each in held.items()}, *tried):
            text = fill(pattern.source, values)
            shown = sentences.say(text)
            if not _kept(shown, text):
                lost.append((text, shown))
    assert lost == []


def _kept(shown: str, text: str) -> bool:
    """Tell whether all that nobody of us wrote is still there, as often at least."""
    made_up = re.findall("zq[a-z]+", text.lower())
    return all(shown.lower().count(word) >= made_up.count(word) for word in made_up)


def test_a_long_text_of_words_of_ours_does_not_keep_its_reader_waiting() -> None:
    sentences = _Counted(KNOWN)
    text = ("It waits until it is done of Robo: that is not known; it failed and did nothing " * 30)[:MOST_READ]
    assert isinstance(sentences.say(text), str)
    assert 0 < sentences.looks <= MOST_LOOKS


def test_a_longer_text_is_looked_up_whole_and_not_looked_through() -> None:
    whole = "It is as it is. " * 40
    sentences = _Counted({**KNOWN, whole: "Es ist, wie es ist."})
    made_up = ("It waits until it is done of Robo: that is not known; it failed and did nothing " * 30)[:1990]
    assert sentences.say(made_up) == made_up
    assert sentences.say(f"Denied: {'x' * MOST_READ}").startswith("Denied: ")
    assert sentences.looks == 0
    assert sentences.say(whole) == "Es ist, wie es ist."


def test_a_page_of_reasons_that_somebody_made_up_is_cheap() -> None:
    sentences = sentences_in("de")
    part = "It waits until it is done of Robo: that is not known; it failed and did nothing, "
    started = time.process_time()
    for number in range(50):
        sentences.say(f"{number} {part * 20}"[:1990])
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("part", ["paused. ", "Denied: ", "It answered 1: ", "Zq. paused: ", "(paused) "])
def test_a_text_of_many_sentences_is_read_to_its_end_or_left_alone(part: str) -> None:
    for times in (3, 20, 59, 60, 61, 1990 // len(part)):
        assert isinstance(Sentences(KNOWN).say((part * times)[:1990]), str)


class _Counted(Sentences):
    """Counts how often all patterns are looked through."""

    looks = 0

    def patterns_for(self, text: str) -> list[Pattern]:
        self.looks += 1
        return super().patterns_for(text)


@pytest.mark.parametrize("name", ["Robo", "Post an invoice", "IT", "month end", "Größe 3", "the rival's"])
def test_what_things_are_called_is_a_name(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("words", ["it is late", "what they asked", "not paused", "part of", "invoices a"])
def test_what_somebody_says_is_none(words: str) -> None:
    assert not is_name(words)
