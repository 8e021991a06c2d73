"""A faithful simulator of the vendor's asynchronous image API, for tests and for a laptop without a key.

It draws real pictures, fetches real references, keeps real books and fails in every way the vendor is known
to fail. The labels [doc], [vendor], [client], [inferred] and [unknown] in this package say what a behaviour
rests on: the vendor's documentation, code the vendor ships, somebody's client, our own reading, or nothing but
a choice.

Start it with ``python -m local.upstream``; ``GET /_sim/`` explains its control plane.
"""
