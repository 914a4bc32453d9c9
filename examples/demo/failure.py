"""What ends a run before it can be judged."""

from __future__ import annotations


class DemoFailed(Exception):
    """With words for the user."""
