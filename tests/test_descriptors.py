"""File descriptors: raised as far as needed and allowed, in a process of its own since limits cannot be given back."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from router.descriptors import connections_possible
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(connections_possible(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "possible", "soft_after"),
    [
        (1024, 4096, 100, 100, 1024),  # enough as it is
        (1024, 4096, 1000, 1000, 1590),  # raised as far as needed
        (1024, 4096, 100_000, 2880, 4096),  # as far as allowed
        (100, 100, 10, 1, 100),  # hardly anything
    ],
)
def test_as_many_as_the_system_allows(soft, hard, wanted, possible, soft_after):
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard), str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert list(map(int, done.stdout.split())) == [possible, soft_after, hard]
