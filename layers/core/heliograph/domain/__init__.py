"""What Heliograph knows, without a clock, a network or an environment."""
