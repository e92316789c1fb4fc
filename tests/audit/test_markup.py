"""Words of templates are found and marked, wherever they stand; what is for machines is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.template import Context, Engine
from django.utils import translation

from audit import wording
from audit.wording import marked
from audit.wording.markup import CLOSE, OPEN

TEMPLATES = sorted((Path(__file__).resolve().parents[2] / "templates").rglob("*.html"))


def words(source: str) -> list[str]:
    return [part.partition(CLOSE)[0] for part in marked(source).split(OPEN)[1:]]


def test_a_run_is_what_stands_between_two_elements_or_two_block_tags() -> None:
    source = "<p>Waits since {{ at }}.{% if due %}, due <b>soon</b>{% endif %}</p>"
    assert words(source) == ["Waits since {{ at }}.", ", due", "soon"]


def test_attributes_that_people_read_are_words_and_others_are_not() -> None:
    source = """<a class="one two" href="{% url 'x' %}" title="Open it" data-x='more words'>{{ name }}</a>"""
    assert words(source) == ["Open it"]
    assert words('<input class="a {{ b }} c" placeholder="Search for {{ what }}">') == ["Search for {{ what }}"]


@pytest.mark.parametrize(
    "source",
    [
        "<script>let words = 'no words';</script>",
        "<style>p > a { color: red }</style>",
        '<span class="material-symbols-outlined" aria-hidden="true">front_hand</span>',
        "<pre>{{ raw }} as it is</pre>",
        "{% comment %}for who reads the code{% endcomment %}",
        "{# the same #}",
        "<!-- the same -->",
        "{% blocktranslate %}{{ n }} items{% endblocktranslate %}",
        "<p>{{ a }}: {{ b }} &middot; 17 %</p>",
    ],
)
def test_what_is_not_for_people_is_left_alone(source: str) -> None:
    assert words(source) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_stays_what_it_was_but_for_the_marks(path: Path) -> None:
    source = path.read_text()
    assert marked(source).replace(OPEN, "").replace(CLOSE, "") == source


def test_holes_go_where_the_other_language_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"{0} waits for {1}": "Auf {1} wartet {0}"}
    monkeypatch.setattr(wording, "words_of_templates", lambda: known)
    template = Engine.get_default().from_string(marked("<p>{{ who }} waits for {{ whom }}</p>"))
    with translation.override("de"):
        shown = template.render(Context({"who": "<i>Robo</i>", "whom": "Bob"}))
    assert shown == "<p>Auf Bob wartet &lt;i&gt;Robo&lt;/i&gt;</p>"


def test_what_is_not_translated_yet_is_said_in_english() -> None:
    template = Engine.get_default().from_string(marked("<p>Nobody translated this {{ n }}</p>"))
    with translation.override("de"):
        assert template.render(Context({"n": 3})) == "<p>Nobody translated this 3</p>"
