"""A faithful simulator of two vendors' asynchronous image APIs, for tests and for a laptop without a key.

One of them, apimodels.app, is "the vendor" throughout; kie.ai is served beside it, from the same workshop.

It draws real pictures, fetches real references, keeps real books and fails in every way the vendors are known
to fail. The labels [doc], [vendor], [client], [inferred] and [unknown] in this package say what a behaviour
rests on: a vendor's documentation, code it ships, somebody's client, our own reading, or nothing but
a choice.

Start it with ``python -m local.upstream``; ``GET /_sim/`` explains its control plane.
"""
