"""What agents' employment needs of their work: evidence from records, hand-overs, and people who are asked."""
