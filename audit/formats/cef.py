r"""ArcSight Common Event Format, version 0: ``CEF:0|vendor|product|version|id|name|severity|key=value ...``.

In the head ``\`` and ``|`` are escaped, in values ``\``, ``=`` and line breaks. What is unseen is spelled out.
"""

from __future__ import annotations

from audit.formats.told import UNSEEN, Told, flat, visible

# Keys of the format's own dictionary for ours; the others are told as aosName.
KEYS = {
    "id": "externalId",
    "actor_id": "suid",
    "actor": "suser",
    "sentence": "msg",
    "reason": "reason",
    "decision": "act",
}
HEAD = ("Autonomy OS", "Ledger", "1")


def line(told: Told) -> str:
    """Return one line without its end."""
    head = "|".join(map(_head, (*HEAD, told["verb"], told["sentence"] or told["verb"], str(told.level.cef))))
    return f"CEF:0|{head}|" + " ".join(f"{key}={_value(value)}" for key, value in extension(told).items())


def extension(told: Told) -> dict[str, str]:
    """Return the keys and values of an event, not yet escaped."""
    said = flat(told)
    del said["index"]
    leaf = {"cs1Label": "leafHash", "cs1": said.pop("leaf_hash")} if "leaf_hash" in said else {}
    return {
        "rt": str(int(told.at.timestamp() * 1000)),
        "outcome": told.outcome,
        "cn1Label": "ledgerIndex",
        "cn1": str(told.index),
        **leaf,
        **{_key(name): value for name, value in said.items()},
    }


def _key(name: str) -> str:
    return KEYS.get(name) or "aos" + "".join(part.title() for part in name.split("_"))


def _head(text: str) -> str:
    return visible(text).replace("\\", r"\\").replace("|", r"\|")


def _value(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace("=", r"\=").replace("\r", r"\r").replace("\n", r"\n")
    return UNSEEN.sub(lambda found: f"\\\\u{ord(found[0]):04x}", escaped)
