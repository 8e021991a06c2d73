"""The use cases: one function each, the outside world handed in as ports."""
