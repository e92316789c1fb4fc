"""Programs that an outsider runs without the rest: one file each, on the standard library and cryptography."""
