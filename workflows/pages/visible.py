"""Words that others wrote, so that what they do not show is seen: pure, and for every page."""

from __future__ import annotations

import re
import unicodedata

MOST_SHOWN = 20_000
# What turns text round or hides it, and what a terminal would obey; a line end and a tab are what they are.
_KEPT = "\n\t"
_ODD = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# In scripts and emoji that need them, joiners between letters are nothing odd.
_JOINERS = "\u200c\u200d"


def visible(text: object, most: int = MOST_SHOWN) -> str:
    """Return a text with every character that hides or turns round what people read named in its place
    (``[U+202E]``), and cut where nobody reads on."""
    words = str(text)
    cut = len(words) - most
    shown = _ODD.sub(_named, words[:most])
    return f"{shown} … [{cut:,} more characters]" if cut > 0 else shown


def visible_page(html: str) -> str:
    """Return a page with every such character named, whoever forgot it; nothing is cut.

    A carriage return stays: browsers send one with every line end of a form, and read it as a space.
    """
    return _ODD.sub(lambda match: "\r" if match.group() == "\r" else _named(match), html)


def _named(match: re.Match[str]) -> str:
    char = match.group()
    if char in _KEPT:
        return char
    if char in _JOINERS and _joins(match):
        return char
    return f"[U+{ord(char):04X}]"


def _joins(match: re.Match[str]) -> bool:
    """Say whether a joiner stands between two characters that are neither Latin letters nor signs."""
    text, at = match.string, match.start()
    if not 0 < at < len(text) - 1:
        return False
    return all(
        ord(one) > 0x2FF and unicodedata.category(one)[0] in "LMS" for one in (text[at - 1], text[at + 1])
    )
