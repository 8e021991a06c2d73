"""The composition root: which adapter plays which role in which use case. Nothing else sees both.

Each function of these modules makes one use case ready to call, with the settings that it is given. A function of ours
reads its settings and calls it once, at start, so that a wrong deployment fails before any work. Each imports what it
puts together, and these modules nothing of it: whoever makes one use case loads no other
(tests/contract/test_cold_imports.py).

Models are built when they are first used (`defer_build`), because a function uses one in ten of those that it imports;
those that every call needs are built here, at start.
"""
