"""Signed messages to programs that listen: no account, no credential of a system, nothing read but a status.

They leave by the same door as everything else: the address is resolved and checked, then pinned, within limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from connectors.egress import Client
from connectors.exceptions import DriverError
from connectors.services.passages import open_for_message
from connectors.vocabulary import Credential, Origin, SystemFacts, parse_network, why_not_address

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 3.0, 10.0, 15.0
MOST_QUERY = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a message: ``status`` is None when nobody answered; ``problem`` is empty when it arrived."""

    status: int | None = None
    problem: str = ""

    @property
    def arrived(self) -> bool:
        """Tell whether the receiver said that it has it."""
        return not self.problem


def post_message(
    *, message_id: str, address: str, networks: Sequence[str], headers: Mapping[str, str], body: bytes
) -> Answer:
    """Send one message and return what was answered; it never raises for what the receiver does."""
    if wrong := list(why_not_address(address, networks)):
        return Answer(problem=wrong[0][1])
    bare, _, query = address.partition("?")
    place = _place(message_id, bare, networks)
    try:
        asked = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=MOST_QUERY)
        with (
            open_for_message(message_id, place.id) as passage,
            Client(place, passage, Credential()) as client,
        ):
            status = client.send("POST", query=asked, headers=headers, body=body).status
    except DriverError as error:
        return Answer(problem=error.message)
    except ValueError:
        # Not what is wrong with it: the address is the key to the place.
        return Answer(problem="The address cannot be read: what follows the ? is not name=value.")
    return Answer(status, "" if 200 <= status < 300 else f"It answered {status}.")


def _place(message_id: str, address: str, networks: Sequence[str]) -> SystemFacts:
    origin = Origin.of_url(address)
    return SystemFacts(
        id=f"message:{message_id}",
        code=origin.host,
        kind="message",
        base_url=address,
        config={},
        allowed=frozenset({origin}),
        networks=tuple(parse_network(entry) for entry in networks),
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        total_timeout=TOTAL_SECONDS,
    )
