"""What a name and a media type may look like, whatever somebody sends."""

from __future__ import annotations

import re
import unicodedata

from workflows.documents.models import NAME_CHARACTERS

UNNAMED = "document"
UNKNOWN_TYPE = "application/octet-stream"
# RFC 9110 section 8.3.1, in the restricted names of RFC 6838 section 4.2.
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,58}/[a-z0-9][a-z0-9!#$&^_.+-]{0,58}", re.ASCII)
# Control, format (also those that turn the direction of text), surrogate, private, unassigned; line ends.
_UNSHOWN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain_name(name: str) -> str:
    """Return a file name without folders and without characters that hide or mislead, at most 200 long."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(char for char in last if unicodedata.category(char) not in _UNSHOWN)
    shown = " ".join(unicodedata.normalize("NFC", shown).split()).strip(". ")
    if len(shown) > NAME_CHARACTERS:
        stem, dot, ending = shown.rpartition(".")
        kept = f".{ending}" if dot and stem and len(ending) <= 20 else ""
        shown = shown[: NAME_CHARACTERS - len(kept)] + kept
    return shown or UNNAMED


def plain_media_type(media_type: str) -> str:
    """Return ``type/subtype`` in lower case without parameters; what is none becomes UNKNOWN_TYPE."""
    token = media_type.partition(";")[0].strip().lower()
    return token if _MEDIA_TYPE.fullmatch(token) else UNKNOWN_TYPE
