"""The tables run on real sockets, in a house per case."""

from tests.proxy.conftest import house, open_house, pytest_asyncio_loop_factories

__all__ = ["house", "open_house", "pytest_asyncio_loop_factories"]
