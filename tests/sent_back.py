"""What a page's form holds, to be sent back as a browser would that changes nothing."""

from __future__ import annotations

from html.parser import HTMLParser


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self._form: dict[str, str] = {}
        self._select = self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self._form = {}
            self.forms.append(self._form)
        elif tag == "input" and name:
            self._input(name, given)
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in given or self._select not in self._form:
                self._form[self._select] = given.get("value", "")
        elif tag == "textarea" and name:
            self._text, self._form[name] = name, ""

    def handle_data(self, data: str) -> None:
        if self._text:
            self._form[self._text] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._text = ""

    def _input(self, name: str, given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        is_sent = (
            "checked" in given if kind in ("checkbox", "radio") else kind not in ("submit", "button", "file")
        )
        if is_sent:
            self._form[name] = given.get("value", "on" if kind == "checkbox" else "")


def held(page: str, field: str) -> dict[str, str]:
    """Return what the first form with this field holds, by the names of its fields. Raises StopIteration."""
    reader = _Forms()
    reader.feed(page)
    return next(form for form in reader.forms if field in form)
