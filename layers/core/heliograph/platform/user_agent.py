"""User-Agent of every request that leaves AWS."""

from heliograph import __version__

USER_AGENT = f"heliograph/{__version__}"
