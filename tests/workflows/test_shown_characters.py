"""Characters that hide or turn round what people read are named, whichever template shows them."""

from __future__ import annotations

from django.template import engines

from workflows.pages.visible import visible_page


def test_whatever_a_template_forgot_is_named_when_it_is_rendered():
    page = engines.all()[0].from_string("<p>{{ text }}</p>").render({"text": "a\u202eb\u200b<i>"})
    assert page == "<p>a[U+202E]b[U+200B]&lt;i&gt;</p>"


def test_line_ends_and_what_letters_need_stay():
    kept = "one\r\ntwo\tthree \u0646\u0645\u06cc\u200c\u062f"
    assert visible_page(kept) == kept
