"""The set-up of logging: one handler, our level, libraries quiet."""

import io
import logging
import warnings

import pytest

from router.telemetry.logs import LEVELS, configure_logging

LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.access", "httpx", "httpcore", "asyncio")


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in (*LIBRARIES, "maitre.audit")}
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, library_level in levels.items():
        logging.getLogger(name).setLevel(library_level)


def test_records_go_to_the_stream_in_our_form():
    stream = io.StringIO()
    configure_logging("info", stream)
    logging.getLogger("maitre.scale").info("scaled", extra={"fields": {"endpoint": "digits"}})
    logging.getLogger("maitre.scale").debug("not told")
    assert stream.getvalue().endswith(" level=info logger=maitre.scale msg=scaled endpoint=digits\n")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries_come_the_same_way_and_are_quiet(library):
    stream = io.StringIO()
    logging.getLogger(library).addHandler(logging.StreamHandler(stream))
    configure_logging("debug", stream)
    logging.getLogger(library).info("HTTP Request: GET http://127.0.0.1/")
    assert stream.getvalue() == ""
    if library.startswith("uvicorn"):
        logging.getLogger(library).warning("something")
        assert stream.getvalue().count(f" level=warning logger={library} msg=something\n") == 1
        assert stream.getvalue().count("\n") == 1
    else:
        logging.getLogger(library).handlers.clear()


def test_a_level_above_warning_holds_for_libraries():
    stream = io.StringIO()
    configure_logging("error", stream)
    logging.getLogger("httpx").warning("not told")
    assert stream.getvalue() == ""


def test_configuring_twice_does_not_tell_twice():
    first, second = io.StringIO(), io.StringIO()
    configure_logging("info", first)
    configure_logging("info", second)
    logging.getLogger("maitre").info("once")
    assert (first.getvalue(), second.getvalue().count("\n")) == ("", 1)


def test_python_warnings_become_lines():
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging("info", stream)
        warnings.warn("old\nways", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "logger=py.warnings" in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="'loud' is none of debug, info, warning, error"):
        configure_logging("loud")
    assert LEVELS == ("debug", "info", "warning", "error")


@pytest.mark.parametrize("level", LEVELS)
def test_the_audit_is_written_whatever_the_level(level):
    stream = io.StringIO()
    configure_logging(level, stream)
    logging.getLogger("maitre.audit").info("changed", extra={"fields": {"who": "alice"}})
    assert stream.getvalue().endswith(" level=info logger=maitre.audit msg=changed who=alice\n")
