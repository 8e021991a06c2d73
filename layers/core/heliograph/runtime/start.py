"""The first import of every function, and of nothing else.

A start makes two hundred thousand objects, and they stay. Searching them for garbage takes a tenth of the start
(docs/decisions/0073-less-build-machinery.md), so the search begins when the function is made: `observed` of
monitoring/logging.py turns it on.
"""

import gc

gc.disable()
