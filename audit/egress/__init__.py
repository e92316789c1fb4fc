"""How checkpoints and events leave the house: addresses the operator named, within limits. No database here."""
