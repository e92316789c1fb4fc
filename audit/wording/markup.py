"""Find the words in a template and put each run of them between ``{% words %}`` and ``{% endwords %}``.

So every text of a template can be translated, and none is forgotten: nothing is marked by hand. A run is what
stands between two elements or two block tags; variables and includes in it are holes that go where the other
language wants them. What needs a plural form is written with ``blocktranslate`` and left alone.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

OPEN, CLOSE = "{% words %}", "{% endwords %}"
_TOKENS = re.compile(r"(\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\})", re.DOTALL)
_ENTITY = re.compile(r"&#?\w+;")
_LETTERS = re.compile(r"[^\W\d_]{2,}|\b[AaI]\b")
# What stands between these is for machines, or is shown as it is.
_RAW = re.compile(r"<(script|style|pre|textarea|code|kbd)\b", re.IGNORECASE)
_ICON = re.compile(r"<(span|i)\b[^>]*material-symbols", re.IGNORECASE)
_SAID_ATTRIBUTE = re.compile(
    r"""(?:^|\s)(title|aria-label|placeholder|alt|data-label|label)=(["'])$""", re.IGNORECASE
)
_LEFT_ALONE = {"blocktranslate": "endblocktranslate", "blocktrans": "endblocktrans", "comment": "endcomment"}
_LEFT_ALONE |= {"verbatim": "endverbatim", "words": "endwords"}
_HOLES = {"include", "translate", "trans", "url", "now"}


def marked(source: str) -> str:
    """Return the text of a template with its words marked; the lines stay the same."""
    return "".join(_Marker().read(source))


class _Marker:
    """Reads a template once, from left to right."""

    def __init__(self) -> None:
        self.run: list[str] = []  # the pieces of the run that is being read
        self.tag = ""  # what was read of an HTML tag that is open, its template tags left out
        self.quote = ""  # the quote that ends the attribute that is being read
        self.is_shown = False  # whether what that attribute holds is shown to people
        self.raw = ""  # the element whose end is waited for
        self.until = ""  # the template tag whose end is waited for

    def read(self, source: str) -> Iterator[str]:
        for token in _TOKENS.split(source):
            if not token:
                continue
            if token.startswith(("{%", "{{", "{#")):
                yield from self._template_tag(token)
            elif self.until:
                yield token
            else:
                yield from self._text(token)
        yield from self._flushed()

    def _template_tag(self, token: str) -> Iterator[str]:
        name = token[2:-2].split()[0] if token.startswith("{%") and token[2:-2].strip() else ""
        if self.until:
            self.until = "" if name == self.until else self.until
            yield token
        elif name in _LEFT_ALONE:
            yield from self._flushed()
            self.until = _LEFT_ALONE[name]
            yield token
        elif self._is_said and (not name or name in _HOLES) and not token.startswith("{#"):
            self.run.append(token)
        else:
            yield from self._flushed()
            yield token

    @property
    def _is_said(self) -> bool:
        """Whether what is read now is shown to people."""
        return not self.raw and (not self.tag or (bool(self.quote) and self.is_shown))

    def _text(self, text: str) -> Iterator[str]:
        while text:
            if self.raw:
                end = re.search(rf"</{self.raw}\s*>", text, re.IGNORECASE)
                stop = end.start() if end else len(text)
                yield text[:stop]
                text, self.raw = text[stop:], "" if end else self.raw
            elif self.tag:
                text = yield from self._in_tag(text)
            else:
                text = yield from self._in_text(text)

    def _in_text(self, text: str) -> Generator[str, None, str]:
        start = text.find("<")
        if start < 0:
            self.run.append(text)
            return ""
        if start:
            self.run.append(text[:start])
        yield from self._flushed()
        if text.startswith("<!--", start):
            end = text.find("-->", start)
            stop = len(text) if end < 0 else end + 3
            yield text[start:stop]
            return text[stop:]
        self.tag = "<"
        yield "<"
        return text[start + 1 :]

    def _in_tag(self, text: str) -> Generator[str, None, str]:
        if self.quote:
            return (yield from self._in_attribute(text))
        stop = re.search(r"""[>"']""", text)
        if stop is None:
            self.tag += text
            yield text
            return ""
        self.tag += text[: stop.end()]
        yield text[: stop.end()]
        if stop[0] == ">":
            self._ended()
        else:
            self.quote, self.is_shown = stop[0], bool(_SAID_ATTRIBUTE.search(self.tag))
        return text[stop.end() :]

    def _in_attribute(self, text: str) -> Generator[str, None, str]:
        end = text.find(self.quote)
        value = text if end < 0 else text[:end]
        if self.is_shown:
            self.run.append(value)
        else:
            self.tag += value
            yield value
        if end < 0:
            return ""
        yield from self._flushed()
        yield self.quote
        self.tag += self.quote
        self.quote = ""
        return text[end + 1 :]

    def _ended(self) -> None:
        match = _RAW.match(self.tag) or _ICON.match(self.tag)
        if match and not self.tag.endswith("/>"):
            self.raw = match[1].lower()
        self.tag = ""

    def _flushed(self) -> Iterator[str]:
        """Yield the run that was read, marked when there are words in it."""
        run, self.run = self.run, []
        words = "".join(piece for piece in run if not piece.startswith(("{{", "{%")))
        if not _LETTERS.search(_ENTITY.sub(" ", words)):
            yield from run
            return
        text = "".join(run)
        bare = text.strip()
        start = text.index(bare)
        yield f"{text[:start]}{OPEN}{bare}{CLOSE}{text[start + len(bare) :]}"
