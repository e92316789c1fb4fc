"""What a manager does in the admin: the same pages and forms, sent as a browser would send them."""

from __future__ import annotations

import re
from typing import Any

from workflows.demo.story.visitor import Page, Surprise, Visitor

UUID = r"[0-9a-f]{8}-[0-9a-f-]{27}"


def add(person: Visitor, model: str, having: str, **values: Any) -> str:
    """Fill in the add form of ``app/model`` and return the address of what was made."""
    path = f"/admin/{model}/add/"
    reply = person.submit(path, person.page(path).form(having), **values)
    if reply.status_code != 302:
        raise Surprise(f"{person.name} could not add {model}: {reply.status_code} {errors(Page(reply.text))}")
    return reply.headers["Location"]


def change(person: Visitor, path: str, having: str, **values: Any) -> Page:
    """Change some fields of an object's page; return the page that follows, with what it says."""
    reply = person.submit(path, person.page(path).form(having), **values)
    if reply.status_code != 302:
        raise Surprise(f"{person.name} could not change {path}: {reply.status_code} {errors(Page(reply.text))}")
    return person.page(reply.headers["Location"])


def press(person: Visitor, path: str, action: str, **answers: Any) -> Page:
    """Open the dialog behind a button of an object's page, answer it, and return the page that follows."""
    links = [target for target, _ in person.page(path).links]
    button = next((to for to in links if to.rstrip("/").replace("-", "_").endswith(f"/{action}")), None)
    if button is None:
        raise Surprise(f"{person.name} sees no button {action} on {path}.")
    reply = person.submit(button, person.page(button).form("reason"), **answers)
    if reply.status_code not in (200, 302):
        raise Surprise(f"{action}: {reply.status_code} {errors(Page(reply.text))}")
    following = reply.headers.get("HX-Redirect") or reply.headers.get("Location")
    return person.page(following) if following else Page(reply.text)


def link(person: Visitor, path: str, beginning: str) -> str:
    """Return the first link of an object's page that begins so and names this object."""
    for target, _ in person.page(path).links:
        if target.startswith(beginning) and key_of(path) in target:
            return target
    raise Surprise(f"{person.name} sees no link to {beginning} on {path}.")


def row(person: Visitor, model: str, words: str) -> str:
    """Return the address of the object of ``app/model`` that a search for these words finds first."""
    page = person.page(f"/admin/{model}/?q={words}")
    pattern = re.compile(rf"/admin/{model}/({UUID}|\d+)/change/")
    for link, _ in page.links:
        if pattern.search(link):
            return link.split("?")[0]
    raise Surprise(f"{person.name} finds no {model} for {words!r}.")


def key_of(path: str) -> str:
    """Return the id in the address of an object's page."""
    found = re.search(UUID, path)
    if found is None:
        raise Surprise(f"{path} names no object.")
    return found[0]


def errors(page: Page) -> str:
    """Return what a page says about a form that was refused."""
    at = page.words.find("error")
    return page.words[max(at - 50, 0) : at + 600] if at >= 0 else page.words[:600]
