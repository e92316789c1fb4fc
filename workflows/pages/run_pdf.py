"""The evidence of one run as PDF, in the hand of the evidence packs."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from django.utils.translation import gettext as _

from audit.evidence import Kind
from audit.services.evidence.cells import shown
from workflows.pages.words import facts_of as facts_in
from workflows.pages.words import humanize

Record = Mapping[str, Any]
NAMES_WIDTH = 0.16  # of the page, in the table of facts


@dataclass(frozen=True, slots=True)
class _Head:
    title: str
    company: str


@dataclass(frozen=True, slots=True)
class Top:
    """One line at the top: its name and what is said, by the portal or in words of others, or when it was."""

    name: str
    said: str = ""
    at: datetime | None = None
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """One chapter: its heading, what it says when it is empty, and its table."""

    key: str
    title: str
    empty: str
    heads: Sequence[str]
    rows: list[list[str]]


def pdf_of(record: Record) -> bytes:
    """Return the document; the same record is the same bytes."""
    pdf = import_module("audit.services.evidence.pdf")  # drawing is loaded where something is drawn
    pdf.load_fonts()
    buffer = io.BytesIO()
    head = _Head(shown(str(record["title"])), str(record["company"]))
    pdf.Document(buffer, head).build(list(_story(pdf, record)))
    return buffer.getvalue()


def _story(pdf: Any, record: Record) -> Iterator[Any]:
    yield pdf.cell(shown(str(record["title"])), pdf.TITLE)
    yield pdf.cell(str(record["claim"]), pdf.BODY)
    rows = [[pdf.cell(name, pdf.SMALL), pdf.cell(shown(said), pdf.BODY)] for name, said in _top(record) if said]
    widths = [pdf.WIDTH * NAMES_WIDTH, pdf.WIDTH * (1 - NAMES_WIDTH)]
    style = pdf.TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP")])
    yield pdf.LongTable(rows, colWidths=widths, style=style, splitInRow=1)
    for part in parts_of(record):
        yield pdf.heading(part.title, pdf.SECTION, part.key)
        if part.rows:
            cells = [[shown(said) for said in row] for row in part.rows]
            yield pdf.grid(part.heads, [Kind.TEXT] * len(part.heads), cells)
        else:
            yield pdf.cell(part.empty, pdf.SMALL)


def _top(record: Record) -> Iterator[tuple[str, str]]:
    """Yield what stands at the top of the document: it has readers everywhere, and one clock."""
    for one in facts_of(record):
        yield (f"{one.name} (UTC)", utc_words(one.at)) if one.at else (one.name, one.said)
    yield _("Input"), in_lines(record["run"]["input"])
    yield _("Output"), in_lines(record["run"]["output"])


def facts_of(record: Record) -> list[Top]:
    """Return what stands at the top, of the page as of the document."""
    run = record["run"]
    workflow, models = run["workflow"], run["models"]
    used = (f"{models['tokens']:,}", models["cost"]) if models["reports"] else ("", "")
    return [
        Top(_("Company"), record["company"]),
        Top(_("Run"), run["id"]),
        Top(_("Workflow"), workflow["name"]),
        Top(_("Version of the workflow"), f"{workflow['version']} ({workflow['sha256']})"),
        Top(_("Policies"), run["policy_versions"]),
        Top(_("Began by"), _who_began(run), is_ours=True),
        Top(_("Began"), at=time_of(run["started_at"])),
        Top(_("Ended"), at=time_of(run["finished_at"])),
        Top(_("State"), run["state_words"], is_ours=True),
        Top(_("Outcome"), humanize(run["outcome"] or "")),
        Top(_("Why it waits"), run["problem"], is_ours=True),
        Top(_("Tokens of models"), used[0]),
        Top(_("Cost of models"), used[1], is_ours=True),
        Top(_("Put together"), at=time_of(record["made_at"])),
        Top(_("Put together by"), record["made_by"]),
    ]


def _who_began(run: Record) -> str:
    """Return what began a run and, where that is somebody, who it was."""
    label = str(run["started_by"]["label"])
    return run["trigger"] if run["trigger"].casefold() == label.casefold() else f"{run['trigger']}: {label}"


def parts_of(record: Record) -> list[_Part]:
    """Return the chapters: decided, done step by step, done in systems, documents, the ledger."""
    steps, ledger = record["steps"], record["ledger"]
    return [
        _Part(
            "decisions",
            _("What was decided, by whom, and why"),
            _("Nothing was decided that the reader may see."),
            [_("When (UTC)"), _("Decision"), _("By"), _("About"), _("Reason"), _("More")],
            [
                [
                    short_time(one["at"]),
                    one["decision"],
                    one["who"],
                    one["about"],
                    one["reason"],
                    "\n".join(one["more"]),
                ]
                for one in record["decisions"]
            ],
        ),
        _Part(
            "steps",
            _("Steps"),
            _("It has not begun."),
            [
                *(_("Step"), _("Attempt"), _("State"), _("Who")),
                *(_("Began (UTC)"), _("Ended (UTC)"), _("Given"), _("Answered")),
            ],
            [*map(_step, steps["rows"]), *_rest(steps, 8)],
        ),
        _Part(
            "actions",
            _("What was done in systems, and what was found there"),
            _("Nothing was asked of any system that the reader may see."),
            [
                _("Action"),
                _("Agent"),
                _("Arguments"),
                _("State"),
                _("Ended (UTC)"),
                _("Record"),
                _("Read back"),
            ],
            [_action(one) for one in record["actions"]],
        ),
        _Part(
            "documents",
            _("Documents"),
            _("It is about no document."),
            [_("Name"), _("Type"), _("Bytes"), "SHA-256", _("Came (UTC)")],
            [
                [one["name"], one["media_type"], f"{one['bytes']:,}", one["sha256"], short_time(one["came_at"])]
                for one in record["documents"]
            ],
        ),
        _Part(
            "ledger",
            _("Entries of the ledger"),
            _("No entry that the reader may see."),
            [_("Position"), _("When (UTC)"), _("What"), _("Entry")],
            [
                [f"{one['position']:,}", short_time(one["at"]), one["words"], one["id"]]
                for one in ledger["entries"]
            ],
        ),
    ]


def _step(one: Record) -> list[str]:
    answer = in_lines(one["answer"]) or str(one["error"].get("message", ""))
    times = [short_time(one["started_at"]), short_time(one["finished_at"])]
    return [
        one["name"],
        str(one["attempt"]),
        one["state_words"],
        one["who"],
        *times,
        in_lines(one["input"]),
        answer,
    ]


def _action(one: Record) -> list[str]:
    operation = f"{one['label']}\n{one['operation_name']}"
    arguments = in_lines(one["arguments"])
    ended = short_time(one["finished_at"])
    return [operation, one["agent"], arguments, one["state_words"], ended, one["record"], one["read_back"]]


def _rest(steps: Record, columns: int) -> list[list[str]]:
    more = steps["count"] - len(steps["rows"])
    return [[_("And %(count)s more") % {"count": more}, *[""] * (columns - 1)]] if more > 0 else []


def in_lines(value: Any) -> str:
    """Return values as people read them, each on a line: ``Total: 1,200.00 EUR``."""
    return "\n".join(
        f"{fact.name}: {fact.value}" if fact.name else fact.value for fact in facts_in(value or {})
    )


def time_of(at: str | None) -> datetime | None:
    """Return a time of the record."""
    return datetime.fromisoformat(at) if at else None


def utc_words(at: datetime) -> str:
    """Return a time as people read it, in UTC: ``31 Jan 2026, 08:15:00``."""
    return f"{at.astimezone(UTC):%-d %b %Y, %H:%M:%S}"


def short_time(at: str | None) -> str:
    """Return a time of the record as a document says it."""
    found = time_of(at)
    return utc_words(found) if found else ""
