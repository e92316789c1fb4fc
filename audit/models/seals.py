"""The seals: the tree over all events, its signed roots, who else has seen them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from audit.models.append_only import AppendOnlyModel


class Leaf(AppendOnlyModel):
    """What is sealed of an event: its place in the tree (position less one), its hash, what it commits to.

    The commitments outlive words and payload: when those are erased the hash can still be worked out.
    """

    index = models.BigIntegerField(primary_key=True)
    leaf_hash = models.BinaryField(max_length=32)
    words_commitment = models.BinaryField(max_length=32)
    data_commitment = models.BinaryField(max_length=32, null=True, help_text="None where there is no payload.")

    class Meta:
        base_manager_name = "objects"
        default_permissions = []

    def __str__(self) -> str:
        return f"leaf {self.index}"


class Tile(AppendOnlyModel):
    """256 hashes of one level of the tree, of which nothing will change (C2SP tlog-tiles); no partial ones."""

    pk = models.CompositePrimaryKey("level", "index")
    level = models.SmallIntegerField(help_text="The tile's hashes are the roots of 256^level leaves each.")
    index = models.BigIntegerField()
    hashes = models.BinaryField(max_length=8192)

    class Meta:
        base_manager_name = "objects"
        default_permissions = []

    def __str__(self) -> str:
        return f"tile {self.level}/{self.index}"


class Checkpoint(AppendOnlyModel):
    """The signed root of the tree at one size (C2SP tlog-checkpoint). A second sealer fails at its key."""

    tree_size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    note = models.TextField(help_text="The signed note, as it leaves the house.")
    signed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        base_manager_name = "objects"
        default_permissions = []
        indexes = [models.Index(fields=["signed_at"], name="checkpoint_signed_at")]

    def __str__(self) -> str:
        return f"checkpoint at {self.tree_size}"


class SigningKey(AppendOnlyModel):
    """The public half of a key that signed a checkpoint, and since when. The other half is never here."""

    vkey = models.CharField(max_length=300, primary_key=True, help_text="Verifier key of a signed note (C2SP).")
    first_size = models.BigIntegerField(help_text="The size of the first tree it signed.")
    first_used_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        base_manager_name = "objects"
        default_permissions = []

    def __str__(self) -> str:
        return self.vkey


class Cosignature(AppendOnlyModel):
    """What somebody else said of a checkpoint: a witness's signature line, or a time-stamp."""

    class Kind(models.TextChoices):
        WITNESS = "witness", "Signature of a witness"
        TIMESTAMP = "timestamp", "Time-stamp"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="cosignatures")
    kind = models.CharField(max_length=10, choices=Kind)
    source = models.CharField(max_length=300, help_text="The name of the sink it came from.")
    content = models.BinaryField(help_text="The signature line in UTF-8, or the token in DER.")
    received_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        base_manager_name = "objects"
        default_permissions = []
        constraints = [
            models.UniqueConstraint(fields=["checkpoint", "source"], name="cosignature_once_per_source")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.source} at {self.checkpoint_id}"


class Outlet(models.Model):
    """How far one sink of checkpoints, or one stream of events, has got."""

    name = models.CharField(max_length=300, primary_key=True, help_text="Its address without secrets.")
    kind = models.CharField(max_length=20)
    reached = models.BigIntegerField(default=0, help_text="The tree size or position it has, and all before.")
    last_ok_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        default_permissions = []

    def __str__(self) -> str:
        return self.name
