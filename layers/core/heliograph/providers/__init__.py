"""Providers of images: the protocol that each speaks, its tasks, and its account balance."""
