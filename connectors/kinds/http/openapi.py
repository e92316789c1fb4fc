"""The operations that an OpenAPI 3 description names, as far as the house can take them; pure.

Schemas become strict ones: closed objects, no fractions (a number travels as a decimal text), lists of at most
a hundred. What cannot be said that way is offered with the reason why not, never half.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml

from connectors.kinds.http.by_hand import EFFECTS, HOLE, NAME, path_of
from connectors.kinds.http.openapi_schemas import NotTakenError, Reader
from connectors.vocabulary import Offer

METHODS = ("get", "post", "put", "patch", "delete")
MOST_PATHS = 1000
KEPT = ("string", "integer", "boolean", "number")


def offers_of(text: str) -> list[Offer]:
    """Return the operations of a description in its order; raises ValueError in words when it is none."""
    document = _document(text)
    if not str(document.get("openapi", "")).startswith("3"):
        raise ValueError(
            "it does not begin with openapi: 3. A description of Swagger 2 has to be converted first."
        )
    paths = document.get("paths")
    if not isinstance(paths, dict) or not paths:
        raise ValueError("it names no paths.")
    reader, found = Reader(document), dict[str, Offer]()
    for path, item in list(paths.items())[:MOST_PATHS]:
        for offer in _of_path(reader, _prefix(document), str(path), item):
            found.setdefault(offer.key, offer)
    if not found:
        raise ValueError("it names no operation.")
    return list(found.values())


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, Loader=_Plain)  # noqa: S506
    except (ValueError, yaml.YAMLError, RecursionError):
        raise ValueError("it is neither JSON nor YAML.") from None
    if not isinstance(found, dict):
        raise ValueError("it is no description of an interface.")
    return found


class _Plain(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML without aliases, which could make a small text endless; a day stays the text it is written as."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("no aliases")
        return super().compose_node(parent, index)


_Plain.yaml_implicit_resolvers = {
    first: [it for it in found if it[0] != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _prefix(document: Mapping[str, Any]) -> str:
    """Return the path of the first server where it is given without a host: it is below the address then."""
    servers = document.get("servers")
    url = (
        str(servers[0].get("url", ""))
        if isinstance(servers, list) and servers and isinstance(servers[0], dict)
        else ""
    )
    return url.rstrip("/") if url.startswith("/") and not HOLE.search(url) else ""


def _of_path(reader: Reader, prefix: str, path: str, item: Any) -> Iterator[Offer]:
    item = reader.resolved(item)
    shared = item.get("parameters", [])
    for method in METHODS:
        if isinstance(operation := item.get(method), dict):
            bare = _named(method, path, operation)
            try:
                yield _taken(reader, bare, method, prefix + path, operation, shared)
            except NotTakenError as error:
                yield replace(bare, why_not=str(error))


def _named(method: str, path: str, operation: Mapping[str, Any]) -> Offer:
    words = str(operation.get("operationId") or f"{method} {path}")
    key = re.sub(r"[^a-z0-9]+", "_", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()).strip("_")[:80]
    key = key if key[:1].isalpha() else f"o_{key}"
    name = " ".join(str(operation.get("summary") or words).split())[:120]
    effect = EFFECTS.get(method.upper(), "write")
    return Offer(
        key=key.strip("_"),
        name=name,
        effect=effect,
        idempotent=effect == "read",
        description=str(operation.get("description") or "")[:2000].strip(),
        label_template=name.replace("{", "").replace("}", ""),
    )


def _taken(
    reader: Reader, bare: Offer, method: str, path: str, operation: Mapping[str, Any], shared: Any
) -> Offer:
    properties: dict[str, Any] = {}
    required: list[str] = []
    query: dict[str, Any] = {}
    for given in [*(shared or ()), *(operation.get("parameters") or ())]:
        _parameter(reader, reader.resolved(given), properties, required, query)
    request: dict[str, Any] = {"method": method.upper(), "path": path_of(path)}
    for hole in HOLE.findall(path):
        if hole not in properties or not NAME.fullmatch(hole):
            raise NotTakenError(f"the part {hole} of its address is not described.")
    if query:
        request["query"] = query
    body = _body(reader, operation)
    if body is not None:
        request["body"] = _sent(body, properties, required)
    mapping: dict[str, Any] = {"request": request}
    if result := _result(reader, operation, bare.effect):
        mapping["result"] = result
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": list(dict.fromkeys(required)),
        "properties": properties,
    }
    return replace(bare, input_schema=schema, mapping=mapping)


def _parameter(
    reader: Reader, given: Mapping[str, Any], properties: Any, required: list[str], query: dict[str, Any]
) -> None:
    name, where, needed = str(given.get("name", "")), given.get("in"), bool(given.get("required"))
    if where in ("header", "cookie"):
        if needed and where == "cookie":
            raise NotTakenError(f"it needs the cookie {name}.")
        if needed and name.lower() not in ("authorization", "accept", "content-type"):
            raise NotTakenError(
                f"it needs the header {name}, which an account or a mapping by hand has to set."
            )
        return
    if not NAME.fullmatch(name):
        if needed or where == "path":
            raise NotTakenError(f"{name[:40]!r} cannot be the name of an argument.")
        return
    part = reader.strict(given.get("schema", {"type": "string"}), name)
    if part["type"] not in KEPT:
        if needed or where == "path":
            raise NotTakenError(f"{name} is more than one value in its address.")
        return
    properties[name] = {**part, **_words(given)}
    if needed or where == "path":
        required.append(name)
    if where == "query":
        query[name] = {"$arg": f"/{name}"} if needed else {"$arg": f"/{name}", "optional": True}


def _body(reader: Reader, operation: Mapping[str, Any]) -> dict[str, Any] | None:
    given = reader.resolved(operation.get("requestBody") or {})
    if not given:
        return None
    content = given.get("content") or {}
    kind = next((it for it in content if "json" in str(it)), None)
    if kind is None:
        if given.get("required"):
            raise NotTakenError("it takes no JSON.")
        return None
    part = reader.strict((content[kind] or {}).get("schema", {}), "its content")
    if part["type"] != "object":
        raise NotTakenError("what it takes is not one object with named members.")
    return part


def _sent(body: Mapping[str, Any], properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    sent = {}
    for name, part in body["properties"].items():
        if not NAME.fullmatch(name):
            if name in body["required"]:
                raise NotTakenError(f"{name[:40]!r} cannot be the name of an argument.")
            continue
        if name in properties:
            raise NotTakenError(f"{name} is both in its address and in its content.")
        needed = name in body["required"]
        properties[name] = part
        required += [name] if needed else []
        sent[name] = {"$arg": f"/{name}"} if needed else {"$arg": f"/{name}", "optional": True}
    return sent


def _result(reader: Reader, operation: Mapping[str, Any], effect: str) -> dict[str, str]:
    """Return what of an answer is kept: all of a read, of a write the plain members that are always there."""
    if effect == "read":
        return {"answer": ""}
    answers = operation.get("responses") or {}
    good = next((answers[code] for code in answers if str(code) in ("200", "201")), None)
    content = reader.resolved(good or {}).get("content") or {}
    schema = next((it.get("schema") for kind, it in content.items() if "json" in str(kind) and it), None)
    try:
        part = reader.strict(schema, "its answer") if schema else {}
    except NotTakenError:
        return {}
    members = part.get("properties", {}) if part.get("type") == "object" else {}
    kept = [name for name in part.get("required", ()) if members.get(name, {}).get("type") in KEPT]
    return {name: f"/{name}" for name in kept if NAME.fullmatch(name)}


def _words(given: Mapping[str, Any]) -> dict[str, str]:
    said = str(given.get("description") or "").strip()
    return {"description": said[:500]} if said else {}
