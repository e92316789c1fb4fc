"""The one-comparison form: (field, comparison, value) to CEL text and to a sentence, and no further."""

from __future__ import annotations


def condition_of(*, field: str, comparison: str, value: str, currency: str) -> str:
    """Return the CEL text of one comparison; raises ValueError with what to correct.

    The field is ``amount`` (value in major units of the company currency), ``currency``, ``args.<path>``,
    ``agent.<name>``, ``measures.<code>.<name>`` or ``provenance["args.x"]``.
    """
    raise NotImplementedError


def sentence_of(*, field: str, comparison: str, value: str, currency: str, verdict: str) -> str:
    """Return the rule in plain words, e.g. ``An amount above 10,000.00 EUR needs a person.``."""
    raise NotImplementedError
