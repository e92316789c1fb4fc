"""Where the operator sends checkpoints (``LEDGER_SINKS``) and events (``LEDGER_STREAMS``): addresses.

No secret is ever part of an address: a header is named together with the environment variable that holds it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from audit.standalone.verify_ledger import COSIGNATURE, NotANote, VerifierKey

FOLDER, SYSLOG, WITNESS, TIMESTAMP = "folder", "syslog", "witness", "rfc3161"
FORMATS = ("ocsf", "cef", "rfc5424", "otlp", "jsonl")
WEB, WIRE = ("https", "http"), ("udp", "tcp", "tls")
SINKS = {
    "folder": (FOLDER, "file"),
    **{f"syslog+{wire}": (SYSLOG, wire) for wire in WIRE},
    **{f"witness+{web}": (WITNESS, web) for web in WEB},
    **{f"rfc3161+{web}": (TIMESTAMP, web) for web in WEB},
}
_TRANSPORTS = {"file": "file", **{web: web for web in WEB}, **{f"syslog+{wire}": wire for wire in WIRE}}
STREAMS = {
    f"{told}+{scheme}": (told, transport)
    for told in FORMATS
    for scheme, transport in _TRANSPORTS.items()
    if not (told == "otlp" and transport in WIRE)
}
PORTS = {"udp": 514, "tcp": 601, "tls": 6514, "https": 443, "http": 80}
OPTIONS = {
    FOLDER: {"every"},
    SYSLOG: {"every"},
    WITNESS: {"every"},
    TIMESTAMP: {"every", "roots"},
    "stream": {"payload", "unsealed", "from", "header"},
}
# The fewest seconds between two checkpoints to one place, unless its address says another number.
EVERY = {FOLDER: 8.0, SYSLOG: 5.0, WITNESS: 5.0, TIMESTAMP: 600.0}
MOST_CHARACTERS = 300
_HEADER = re.compile(r"^([A-Za-z0-9-]{1,60}):([A-Za-z_][A-Za-z0-9_]{0,100})$")


class BadAddress(ValueError):
    """An address cannot be used; the message says which and why, and repeats no secret."""


@dataclass(frozen=True)
class Address:
    """One place. ``kind`` is that of a sink, or the format of a stream; ``name`` is shown, without secrets."""

    name: str
    kind: str
    transport: str
    host: str = ""
    port: int = 0
    path: str = ""
    query: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    # Header -> the environment variable with its value.
    headers: Mapping[str, str] = field(default_factory=dict)
    key: VerifierKey | None = None

    @property
    def url(self) -> str:
        """Return the address for HTTP."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}://{host}:{self.port}{self.path or '/'}" + (
            f"?{self.query}" if self.query else ""
        )

    @property
    def every(self) -> float:
        """Return the fewest seconds between two deliveries."""
        return float(self.options.get("every", EVERY.get(self.kind, 0)))

    def secret_headers(self) -> dict[str, str]:
        """Return the headers with their values. Raise BadAddress where an environment variable is missing."""
        found = {header: os.environ.get(variable, "") for header, variable in self.headers.items()}
        for header, value in found.items():
            variable = self.headers[header]
            if not value:
                raise BadAddress(f"{self.name}: the environment variable {variable} for {header} is not set.")
            if not value.isascii() or not value.isprintable():
                raise BadAddress(f"{self.name}: the environment variable {variable} is no value of a header.")
        return found


def sink(text: str) -> Address:
    """Read one address of ``LEDGER_SINKS``. Raise BadAddress."""
    parts, kind, transport = _split(text, SINKS, "folder:/path, syslog+tls://host, witness+https://host#key")
    options, rest = _options(text, parts, OPTIONS[kind])
    if rest and kind != TIMESTAMP:
        raise BadAddress(f"{_shown(text)} has options that are none: {_names(rest)}.")
    _every(text, options)
    key = _witness_key(text, parts.fragment) if kind == WITNESS else None
    return _address(text, parts, kind, transport, options, rest, key)


def stream(text: str) -> Address:
    """Read one address of ``LEDGER_STREAMS``. Raise BadAddress."""
    parts, kind, transport = _split(
        text, STREAMS, "ocsf+https://host/path, cef+syslog+tls://host, jsonl+file:/path"
    )
    options, rest = _options(text, parts, OPTIONS["stream"])
    if rest and transport not in WEB:
        raise BadAddress(f"{_shown(text)} has options that are none: {_names(rest)}.")
    for name, allowed in (("payload", "01"), ("unsealed", "01"), ("from", ("beginning", "now"))):
        if options.get(name, allowed[0]) not in allowed:
            raise BadAddress(f"{_shown(text)}: {name} is one of {', '.join(allowed)}.")
    if transport == "udp" and options.get("payload") == "1":
        raise BadAddress(
            f"{_shown(text)}: a payload does not fit into a datagram. Take syslog+tcp or syslog+tls."
        )
    return _address(text, parts, kind, transport, options, rest, None)


def read(texts: Iterable[str], one: Callable[[str], Address]) -> list[Address]:
    """Read addresses. Raise BadAddress for the first that cannot be used, or that is there twice."""
    found: dict[str, Address] = {}
    for text in texts:
        address = one(text.strip())
        if address.name in found:
            raise BadAddress(f"{address.name} is there twice.")
        found[address.name] = address
    return list(found.values())


def _split(text: str, schemes: Mapping[str, tuple[str, str]], like: str) -> tuple[SplitResult, str, str]:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise BadAddress("An address has characters that none can have: write spaces and others as %20.")
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - it is read here so that a bad one is found here
    except ValueError as error:
        raise BadAddress(f"{_shown(text)} is not an address: {error}.") from error
    if parts.scheme not in schemes:
        raise BadAddress(f"{_shown(text)} is of no kind known here. Write for example {like}.")
    if "@" in parts.netloc:
        raise BadAddress(
            f"{parts.scheme} of {parts.hostname}: a name or password in an address would be shown. Take"
            " ?header=Authorization:VARIABLE, and put the value into that environment variable."
        )
    kind, transport = schemes[parts.scheme]
    _check_place(text, parts, transport)
    return parts, kind, transport


def _check_place(text: str, parts: SplitResult, transport: str) -> None:
    if transport == "file":
        if parts.netloc or not parts.path.startswith("/") or parts.path.endswith("/"):
            raise BadAddress(f"{_shown(text)} has to name a whole path: {parts.scheme}:/path")
        return
    if not parts.hostname:
        raise BadAddress(f"{_shown(text)} names no host.")
    if transport in WIRE and parts.path.strip("/"):
        raise BadAddress(f"{_shown(text)}: a syslog server has no path.")
    if transport == "http" and not _is_loopback(parts.hostname):
        raise BadAddress(f"{_shown(text)}: without TLS only this machine itself can be named. Take https.")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _options(text: str, parts: SplitResult, known: set[str]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    ours: dict[str, str] = {}
    rest: list[tuple[str, str]] = []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            rest.append((name, value))
        elif name == "header":
            ours[name] = ",".join(filter(None, (ours.get(name, ""), value)))
        elif name in ours:
            raise BadAddress(f"{_shown(text)} says {name} twice.")
        else:
            ours[name] = value
    return ours, rest


def _every(text: str, options: Mapping[str, str]) -> None:
    said = options.get("every", "1")
    if not said.isdigit() or not 1 <= int(said) <= 86_400:
        raise BadAddress(f"{_shown(text)}: every is a number of seconds, 1 to 86400.")


def _headers(text: str, said: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in filter(None, said.split(",")):
        if not (parts := _HEADER.match(one)):
            raise BadAddress(
                f"{_shown(text)}: header is Name:VARIABLE, a header and the environment variable of its value."
            )
        found[parts[1]] = parts[2]
    return found


def _witness_key(text: str, fragment: str) -> VerifierKey:
    try:
        key = VerifierKey.parse(unquote(fragment))
    except NotANote as error:
        raise BadAddress(
            f"{_shown(text)}#...: behind the # stands the key that the witness printed. {error}"
        ) from error
    if key.kind != COSIGNATURE:
        raise BadAddress(
            f"{_shown(text)}: {key.name} is the key of a ledger, and a witness has one of its own kind."
        )
    return key


def _address(
    text: str,
    parts: SplitResult,
    kind: str,
    transport: str,
    options: Mapping[str, str],
    rest: Iterable[tuple[str, str]],
    key: VerifierKey | None,
) -> Address:
    address = Address(
        name=_shown(text),
        kind=kind,
        transport=transport,
        host=parts.hostname or "",
        port=parts.port or PORTS.get(transport, 0),
        path=unquote(parts.path) if transport == "file" else parts.path,
        query=urlencode(list(rest)),
        options={name: value for name, value in options.items() if name != "header"},
        headers=_headers(text, options.get("header", "")),
        key=key,
    )
    if len(address.name) > MOST_CHARACTERS:
        raise BadAddress(f"{address.name[:80]}...: an address has at most {MOST_CHARACTERS} characters.")
    return address


def _shown(text: str) -> str:
    """Return an address without what may be secret in it."""
    place, at, _ = text.partition("?")[0].partition("#")[0].rpartition("@")
    shown = text.partition("?")[0].partition("#")[0] if not at else place.partition("://")[0] + "://..."
    return shown[: MOST_CHARACTERS + 1]


def _names(rest: Iterable[tuple[str, str]]) -> str:
    return ", ".join(name[:40] for name, _ in rest)
