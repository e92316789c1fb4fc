"""The texts of Python: sentences, sentences with names in them, and the words that stand in their holes.

Nothing marks them: what reads like words to people is one, wherever it stands. What is for programs or for the
operator's console is left out by its place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.translations.messages import Message

# Not for readers of pages: databases, programs, the console of whoever runs the portal.
LEFT_OUT = re.compile(
    r"(^|/)(migrations|management|launch|demo|standalone|api|serializers|kinds|formats|egress|checks|settings"
    r"|asgi|wsgi|celery|env|watchdog|pulse|parsers|oauth_tables)(/|\.py$|$)"
)
# Somebody did something: ``{0} stopped {1}.`` is a sentence wherever it stands.
_DONE = re.compile(
    r"^\{0\} [a-z]{3,}(ed|es) \{1\}(\{2\})?[.:]|^\{0\} [a-z]{3,}ed: \{1\}|^\{0\}:? \{1\} becomes \{2\}"
)
_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|WHERE|FROM|JOIN|GRANT|LOCK|VALUES)\b")
_LETTERS = re.compile(r"[A-Za-z]{2,}")
_CODE = re.compile(r"^[\w./:%{}\-\[\]#=&?*+@<>$()|\\^,;!\"']*$")
_PERCENT = re.compile(r"%\(\w+\)[sd]|%[sd]")
# A single word is one for people where it is given as such.
_NAMED = {
    "label", "title", "help_text", "verbose_name", "verbose_name_plural", "description", "submit", "empty",
    "hint", "word", "words", "empty_title", "empty_step", "empty_label", "short_description", "text", "caption",
    "button", "placeholder", "heading", "message", "sentence", "summary", "note", "why",
}  # fmt: skip
_CALLED = {
    "_",
    "gettext",
    "gettext_lazy",
    "ngettext",
    "Tag",
    "Fact",
    "Line",
    "Shelf",
    "count_of",
    "Choice",
    "tag",
}
_LOGGED = {"debug", "info", "warning", "error", "exception", "critical", "getLogger"}


def messages_of(path: Path, root: Path) -> Iterator[Message]:
    """Yield every text of one file of Python."""
    place = str(path.relative_to(root))
    if LEFT_OUT.search(place):
        return
    finder = _Finder()
    finder.visit(ast.parse(path.read_text()))
    for text in finder.found:
        yield Message(text, place)


def pattern_of(node: ast.JoinedStr) -> str:
    """Return a text with names in it as a pattern with numbered holes."""
    parts, holes = [], 0
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value).replace("{", "{{").replace("}", "}}"))
        else:
            parts.append(f"{{{holes}}}")
            holes += 1
    return "".join(parts)


class _Finder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: dict[str, None] = {}
        self._words = False  # whether a single word counts here

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _LOGGED:
            return
        self.visit(node.func)
        with_words = self._words or name in _CALLED
        for argument in node.args:
            self._visit(argument, with_words)
        for keyword in node.keywords:
            self._visit(keyword.value, with_words or keyword.arg in _NAMED)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        bases = {getattr(base, "attr", getattr(base, "id", "")) for base in node.bases}
        is_choices = bool(bases & {"TextChoices", "IntegerChoices"})
        for statement in node.body:
            if is_choices and isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Tuple):
                self._visit(statement.value.elts[-1], words=True)
            elif isinstance(statement, ast.Assign) and _targets(statement) & _NAMED:
                self._visit(statement.value, words=True)
            else:
                self._visit(statement, words=False)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._visit(node.body, words=True)
        self._visit(node.orelse, words=True)

    def visit_Compare(self, node: ast.Compare) -> None:
        """What is compared is data."""

    def visit_Dict(self, node: ast.Dict) -> None:
        for value in node.values:
            self._visit(value, words=True)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self._visit(node.value, words=True)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._add(pattern_of(node), words=self._words)
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                self._visit(value.value, words=True)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._add(node.value, words=self._words)

    def _visit(self, node: ast.AST, words: bool) -> None:
        before, self._words = self._words, words
        self.visit(node)
        self._words = before

    def _add(self, text: str, words: bool) -> None:
        said = _holed(text).strip()
        # Of ``{0} stopped {1}.`` the word and the full stop are left.
        bare = re.sub(r"\s+([.:,;?!])", r"\1", re.sub(r"\{\d+\}", "", said))
        if not _LETTERS.search(bare) or _SQL.search(bare) or "<" in bare or "\n" in bare:
            return
        is_sentence = (" " in said and not _CODE.fullmatch(said.replace(" ", ""))) or _reads_as_words(bare)
        # One word beside a name or a number is a text, too: ``Priority {0}``, ``{0} left``.
        is_word = _is_word(bare) if bare == said else " " in said and _is_word(bare.strip())
        if is_sentence or ((words or _DONE.match(said)) and is_word):
            self.found[said] = None


def _holed(text: str) -> str:
    """Return a text of the % form with numbered holes."""
    numbers = iter(range(99))
    return _PERCENT.sub(lambda _: f"{{{next(numbers)}}}", text)


def _reads_as_words(text: str) -> bool:
    return len(re.findall(r"(?<![\w.])[A-Za-z][a-z']+(?![\w(=])", text)) >= 2 and " " in text


def _is_word(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Z]?[a-z]+([ '-][A-Za-z]+)*[.:?!]?", text))


def _targets(statement: ast.Assign) -> set[str]:
    return {target.id for target in statement.targets if isinstance(target, ast.Name)}
