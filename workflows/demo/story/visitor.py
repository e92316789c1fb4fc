"""A person with a browser, as far as HTTP goes: session, CSRF token, and the forms as the pages offer them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx


class Surprise(AssertionError):
    """Something is not as it should be."""


@dataclass
class Form:
    """One form of a page with what is filled in already."""

    action: str = ""
    method: str = "get"
    fields: list[tuple[str, str]] = field(default_factory=list)
    options: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def filled(self, **values: Any) -> list[tuple[str, str]]:
        """Return the fields with these values in them; a choice may be given by its words."""
        # Names with an underscore are the admin's save buttons, which may stand outside the form.
        unknown = [name for name in values if name not in self.names and not name.startswith("_")]
        if unknown:
            raise Surprise(f"The form has no {', '.join(unknown)}; it has {', '.join(sorted(self.names))}.")
        kept = [(name, value) for name, value in self.fields if name not in values]
        return kept + [(name, one) for name, value in values.items() for one in self._values(name, value)]

    def _values(self, name: str, value: Any) -> Iterator[str]:
        if value is False or value is None:
            return
        for one in value if isinstance(value, list) else [value]:
            yield "on" if one is True else self._choice(name, str(one))

    def _choice(self, name: str, value: str) -> str:
        offered = self.options.get(name, [])
        if not offered or value in [key for key, _ in offered]:
            return value
        found = [key for key, words in offered if words == value] or [
            key for key, words in offered if value in words
        ]
        if len(found) != 1:
            raise Surprise(f"{name} offers {[words for _, words in offered]}, not {value!r}.")
        return found[0]


class Page(HTMLParser):
    """The forms, links and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []
        self.words = ""
        self._form: Form | None = None
        self._select = self._textarea = ""
        self._option: list[str] | None = None
        self._chosen = False
        self._silent = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag means for forms and links."""
        given = {name: value or "" for name, value in attrs}
        if tag in ("script", "style", "template"):
            self._silent += 1
        if tag == "form":
            self._form = Form(
                given.get("action", "") or given.get("hx-post", ""), given.get("method", "get").lower()
            )
            self.forms.append(self._form)
        for name in ("href", "hx-get", "hx-post"):
            if name in given:
                self.links.append((given[name], ""))
        handler = getattr(self, f"_start_{tag}", None)
        if handler and self._form is not None:
            handler(self._form, given, dict(attrs))

    def _start_input(self, form: Form, given: dict[str, str], raw: dict[str, str | None]) -> None:
        name, kind = given.get("name", ""), given.get("type", "text")
        if not name or "disabled" in raw:
            return
        form.names.add(name)
        if kind in ("submit", "button", "image", "file"):
            return
        if kind in ("checkbox", "radio"):
            if kind == "radio":
                form.options.setdefault(name, []).append((given.get("value", "on"), given.get("value", "on")))
            if "checked" in raw:
                form.fields.append((name, given.get("value", "on")))
            return
        form.fields.append((name, given.get("value", "")))

    def _start_select(self, form: Form, given: dict[str, str], raw: dict[str, str | None]) -> None:
        self._select, self._chosen = given.get("name", ""), "multiple" in raw
        form.names.add(self._select)
        form.options.setdefault(self._select, [])

    def _start_option(self, form: Form, given: dict[str, str], raw: dict[str, str | None]) -> None:
        self._option = [given.get("value", ""), ""]
        if self._select and "selected" in raw:
            form.fields.append((self._select, given.get("value", "")))
            self._chosen = True

    def _start_textarea(self, form: Form, given: dict[str, str], raw: dict[str, str | None]) -> None:
        self._textarea = given.get("name", "")
        form.names.add(self._textarea)
        form.fields.append((self._textarea, ""))

    def handle_data(self, data: str) -> None:
        """Collect the words."""
        if self._textarea and self._form:
            name, value = self._form.fields[-1]
            # The parser keeps the line break that HTML drops after <textarea>.
            self._form.fields[-1] = (name, (value + data).removeprefix("\n"))
        elif self._option is not None:
            self._option[1] += data
        elif not self._silent:
            self.words += " " + data.strip() if data.strip() else ""

    def handle_endtag(self, tag: str) -> None:
        """Close what the tag opened."""
        if tag in ("script", "style", "template"):
            self._silent = max(0, self._silent - 1)
        elif tag == "form":
            self._form = None
        elif tag == "option" and self._option is not None:
            self._end_option()
        elif tag == "select":
            self._end_select()
        elif tag == "textarea":
            self._textarea = ""

    def _end_option(self) -> None:
        assert self._option is not None  # noqa: S101
        if self._form and self._select:
            self._form.options[self._select].append((self._option[0], " ".join(self._option[1].split())))
        self._option = None

    def _end_select(self) -> None:
        if self._form and self._select and not self._chosen and self._form.options.get(self._select):
            self._form.fields.append((self._select, self._form.options[self._select][0][0]))
        self._select = ""

    def form(self, having: str) -> Form:
        """Return the form that has a field of this name."""
        for form in self.forms:
            if having in form.names:
                return form
        raise Surprise(f"No form on the page has {having!r}. It says: {self.words[:400]}")


class Visitor:
    """One person, signed in."""

    def __init__(self, address: str, name: str, password: str) -> None:
        self.name, self.address = name, address
        self.http = httpx.Client(base_url=address, timeout=60, trust_env=False, follow_redirects=False)
        page = self.page("/admin/login/")
        form = page.form("password").filled(username=name, password=password)
        reply = self.http.post("/admin/login/", data=_multi(form), headers=self.headers("/admin/login/"))
        if reply.status_code != 302 or "sessionid" not in self.http.cookies:
            raise Surprise(f"{name} could not sign in: {reply.status_code}")

    def page(self, path: str, status: int = 200) -> Page:
        """Open a page, following redirects within the portal."""
        for _ in range(5):
            reply = self.http.get(path)
            if reply.status_code not in (301, 302):
                break
            path = urljoin(path, reply.headers["Location"])
        if reply.status_code != status:
            raise Surprise(f"{self.name} opened {path}: {reply.status_code}, not {status}")
        return Page(reply.text)

    def submit(self, path: str, form: Form, **values: Any) -> httpx.Response:
        """Send a form of the page at ``path`` with these values in it."""
        target = urljoin(path, form.action) if form.action else path
        return self.http.post(target, data=_multi(form.filled(**values)), headers=self.headers(path))

    def api(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        """Call the API as this person: by session, with the CSRF token."""
        headers = {**self.headers("/"), "Accept": "application/json"}
        return self.http.request(method, f"/api/v1{path}", json=body, params=params or None, headers=headers)

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of an API address, or be surprised."""
        reply = self.api("GET", path, **params)
        if reply.status_code != 200:
            raise Surprise(f"{self.name}: GET {path} answered {reply.status_code} {reply.text[:300]}")
        return reply.json()

    def headers(self, path: str = "/") -> dict[str, str]:
        """Return what a browser sends along so that a request counts as this person's own."""
        token = self.http.cookies.get("csrftoken") or ""
        return {"Referer": urljoin(self.address, path), "Origin": self.address, "X-CSRFToken": token}


def eventually(look: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Look until there is something; be surprised if it takes longer than ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.15)
    raise Surprise(f"{what}: not within {seconds:.0f} s")


def _multi(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped
