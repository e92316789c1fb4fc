"""What is new, to everybody who looks, within a fraction of a second: one reader for each process."""
