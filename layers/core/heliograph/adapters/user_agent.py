"""Who we say we are, wherever we call from outside AWS."""

USER_AGENT = "heliograph/0.1"
