"""Words of a text as the database knows them: an index finds all that begin like what somebody typed.

No extension is needed for it. How words are split is written twice: here and in the migration that makes the
indexes; a test holds both to be the same.
"""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, Func, TextField, Value

MOST_WORDS = 6
MOST_CHARACTERS = 80
FEWEST_CHARACTERS = 2
SPLIT = "array_to_tsvector(array_remove(regexp_split_to_array(lower({}), '[[:space:][:punct:]]+'), ''))"


class WordsOf(Func):
    """The words of one column, or of several, in small letters."""

    template = SPLIT.format("%(expressions)s")
    arg_joiner = " || ' ' || "
    output_field = TextField()


class Begin(Func):
    """Whether for each word that was typed one begins with it."""

    template = "(%(expressions)s::tsquery)"
    arg_joiner = " @@ "
    output_field = BooleanField()


def typed_words(text: str) -> list[str]:
    """Return what somebody typed as words: letters and digits only, so that nothing in them has a meaning."""
    spaced = "".join(each if each.isalnum() else " " for each in text[:MOST_CHARACTERS].lower())
    return spaced.split()[:MOST_WORDS]


def begins(columns: tuple[str, ...], words: list[str]) -> Any:
    """Return the condition that every word begins a word of these columns."""
    asked = " & ".join(f"'{word}':*" for word in words)
    return Begin(WordsOf(*columns), Value(asked))
