"""A simulator of two providers' asynchronous image APIs, for tests and for a machine without a provider's key.

apimodels.app is the provider that modules mean where they name none; kie.ai is served beside it, from the same queue.

The simulator renders images, fetches references, keeps account balances and fails in every way that the providers are
known to fail. A label in this package gives the source of a behaviour: [doc] a provider's documentation, [provider]
code that a provider ships, [client] a third party's client, [inferred] our own reading, [unknown] our choice.

Start it with ``python -m local.provider``; ``GET /_sim/`` documents its control plane.
"""
