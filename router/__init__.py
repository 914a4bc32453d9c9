"""maitre: the front-end router for machine-learning models. `docs/architecture.md` tells the life of a request."""

__version__ = "0.1.0"
