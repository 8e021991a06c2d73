"""Prints the OpenAPI document of all deployments: `make openapi` keeps it as `functions/serve_pages/openapi.json`.

python -m heliograph.api.openapi events/published
"""

import sys
from pathlib import Path

from heliograph.api.openapi.document import document_text

sys.stdout.write(document_text(Path(sys.argv[1])))
