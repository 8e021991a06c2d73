"""Who we say we are, wherever we call from outside AWS."""

from heliograph import __version__

USER_AGENT = f"heliograph/{__version__}"
