"""A tiny trained model, and the example's server in front of it, over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from examples.digits.model import PIXELS, Model, server_for

IMAGE = [0.0] * PIXELS
BRIGHT = [16.0] * PIXELS


@contextmanager
def running(model: Model, work_s: float = 0.0) -> Iterator[httpx.Client]:
    server = server_for(model, port=0, work_s=work_s, replica="7")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.server_address[1]}", trust_env=False) as client:
            yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def tiny_model() -> Any:
    """Says 8 for a bright image and 0 for a dark one."""
    pytest.importorskip("sklearn", reason="scikit-learn, of the extra `demo`, is not installed")
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    return LogisticRegression().fit([IMAGE, BRIGHT], [0, 8])


@pytest.fixture
def serve() -> Iterator[Callable[..., httpx.Client]]:
    """Starts a server for a model, and gives its client."""
    with ExitStack() as stack:
        yield lambda *arguments, **settings: stack.enter_context(running(*arguments, **settings))
