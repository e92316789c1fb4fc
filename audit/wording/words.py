"""Words: their capital letters, and whether some of them are a name or part of a sentence."""

from __future__ import annotations

import re

WORD = re.compile(r"[^\W\d_]{3,}")
# Letters inside a number or a key are no word.
_ANY_WORD = re.compile(r"(?<![\w-])[^\W\d_]+(?:['’][a-z]+)?(?![\w-])")
# Where one of these stands, somebody says something; things and people are hardly ever called so.
_SAYING = frozenset({
    "is", "are", "was", "were", "be", "been", "being", "has", "have", "had", "do", "does", "did", "can",
    "cannot", "could", "may", "might", "must", "shall", "should", "will", "would", "not", "isn't",
    "aren't", "doesn't", "don't", "they", "he", "she", "we", "which", "who", "whom", "whose", "because",
    "until", "while", "unless", "whether", "yet",
})  # fmt: skip
# Where one of these comes first, it is of whom something is said; “Read it” is what a step is called.
_SUBJECTS = frozenset({"it", "its", "you", "your", "this", "that", "these", "those", "what", "there"})
# A name does not end in one of these, nor is it one: they lead to what comes after them.
_LEADING = frozenset({
    "a", "an", "the", "of", "for", "to", "at", "in", "on", "by", "with", "from", "under", "and", "or",
    "than", "that", "this", "as", "into", "no", "its",
})  # fmt: skip
_ARTICLES = frozenset({"a", "an", "the"})


def is_name(text: str) -> bool:
    """Tell whether words may stand in a sentence of another language as they are: nothing is said in them."""
    words = _ANY_WORD.findall(text)
    if any(map(_says, words)):
        return False
    return not words or not (words[0] in _SUBJECTS or text.split()[-1] in _LEADING or _leads_in(text, words))


def _leads_in(text: str, words: list[str]) -> bool:
    """Tell whether words without a capital letter are held together by a small one: ``once by all agents``."""
    return text.islower() and words[0] not in _ARTICLES and bool((_LEADING - _ARTICLES) & set(words[1:]))


def _says(word: str) -> bool:
    # “IT” is a department.
    return word.lower().replace("’", "'") in _SAYING and not (word.isupper() and len(word) > 1)


def other_case(text: str) -> str:
    """Return a text with its first letter large where it was small, and small where it was large."""
    return text[:1].swapcase() + text[1:]


def as_in(found: str, text: str) -> str:
    """Return a translation with a capital letter where the text has one; a noun keeps its own."""
    return found[:1].upper() + found[1:] if text[:1].isupper() else found
