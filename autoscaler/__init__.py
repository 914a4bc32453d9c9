"""Decides how many replicas a version needs, and asks for them. Knows ports only, never the router."""
