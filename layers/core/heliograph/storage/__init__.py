"""Objects in buckets: their keys, references to them, and how they are read, copied and linked."""
