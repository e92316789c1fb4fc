"""English sentences of the record, shown in the language of whoever reads them.

What services decide, refuse and record is said in English once and kept so: the ledger, the API and a
repository of rules read the same everywhere. A page that shows such a sentence looks up its pattern, translates
that, and puts the same names and numbers into it.
"""

from __future__ import annotations

from audit.wording.catalogues import name_in, name_lazy, said, said_lazy, sentences_in, words_of_templates
from audit.wording.fields import lazy_pairs, lazy_words, translate_field, translate_form
from audit.wording.markup import marked
from audit.wording.patterns import Pattern, fill, holes_of
from audit.wording.readers import language_of, language_written_to, zone_of
from audit.wording.sentences import Sentences

__all__ = [
    "Pattern",
    "Sentences",
    "fill",
    "holes_of",
    "language_of",
    "language_written_to",
    "lazy_pairs",
    "lazy_words",
    "marked",
    "name_in",
    "name_lazy",
    "said",
    "said_lazy",
    "sentences_in",
    "translate_field",
    "translate_form",
    "words_of_templates",
    "zone_of",
]
