"""The evidence of one run as PDF, in the hand of the evidence packs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.utils.translation import gettext as _

from audit.evidence import Kind
from audit.services.evidence.cells import shown

Record = Mapping[str, Any]
NAMES_WIDTH = 0.16  # of the page, in the table of facts


@dataclass(frozen=True, slots=True)
class _Head:
    title: str
    company: str


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
    rows = [
        [pdf.cell(name, pdf.SMALL), pdf.cell(shown(said), pdf.BODY)] for name, said in facts_of(record) if said
    ]
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


def facts_of(record: Record) -> list[tuple[str, str]]:
    """Return what stands at the top, by name."""
    run = record["run"]
    workflow, models = run["workflow"], run["models"]
    ended = ", ".join(said for said in (run["state_words"], run["outcome"]) if said)
    return [
        (_("Company"), record["company"]),
        (_("Run"), run["id"]),
        (_("Workflow"), f"{workflow['name']}, {_('version')} {workflow['version']} ({workflow['sha256']})"),
        (_("Policies"), run["policy_versions"]),
        (_("Began by"), f"{run['trigger']}: {run['started_by']['label']}"),
        (_("Began (UTC)"), short_time(run["started_at"])),
        (_("Ended (UTC)"), short_time(run["finished_at"])),
        (_("State"), ended),
        (_("Why it waits"), run["problem"]),
        (_("Input"), _json(run["input"])),
        (_("Output"), _json(run["output"])),
        (_("Models"), f"{models['tokens']:,} {_('tokens')}, {models['cost']}" if models["reports"] else ""),
        (_("Made (UTC)"), f"{short_time(record['made_at'])} {_('by')} {record['made_by']}"),
    ]


def parts_of(record: Record) -> list[_Part]:
    """Return the chapters: decided, done step by step, done in systems, documents, the ledger."""
    steps, ledger = record["steps"], record["ledger"]
    return [
        _Part(
            "decisions",
            _("What was decided, by whom, and why"),
            _("Nothing was decided."),
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
            [_("Step"), _("Attempt"), _("State"), _("Who"), _("Began"), _("Ended"), _("Given"), _("Answered")],
            [*map(_step, steps["rows"]), *_rest(steps, 8)],
        ),
        _Part(
            "actions",
            _("What was done in systems, and what was found there"),
            _("Nothing was asked of any system."),
            [_("Action"), _("Agent"), _("Arguments"), _("State"), _("Ended"), _("Record"), _("Read back")],
            [_action(one) for one in record["actions"]],
        ),
        _Part(
            "documents",
            _("Documents"),
            _("It is about no document."),
            [_("Name"), _("Type"), _("Bytes"), "SHA-256", _("Came")],
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
                [f"{one['position']:,}", short_time(one["at"]), one["verb"], one["id"]]
                for one in ledger["entries"]
            ],
        ),
    ]


def _step(one: Record) -> list[str]:
    answer = _json(one["answer"]) or str(one["error"].get("message", ""))
    times = [short_time(one["started_at"]), short_time(one["finished_at"])]
    return [
        one["name"],
        str(one["attempt"]),
        one["state_words"],
        one["who"],
        *times,
        _json(one["input"]),
        answer,
    ]


def _action(one: Record) -> list[str]:
    operation = f"{one['label']}\n{one['operation']}"
    arguments = _json(one["arguments"])
    ended = short_time(one["finished_at"])
    return [operation, one["agent"], arguments, one["state_words"], ended, one["record"], one["read_back"]]


def _rest(steps: Record, columns: int) -> list[list[str]]:
    more = steps["count"] - len(steps["rows"])
    return [[_("And %(count)s more") % {"count": more}, *[""] * (columns - 1)]] if more > 0 else []


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""


def short_time(at: str | None) -> str:
    """Return a time of the record as people read it, in UTC: ``2026-01-31 08:15:00``."""
    return at[:19].replace("T", " ") if at else ""
