"""What a request costs: maitre beside nginx, HAProxy and Envoy, on the same work, in the same run.

`python -m bench` measures, `python -m bench.latency` says how much time is added, `python -m bench.idle` what idle
clients cost, `python -m bench.micro` times the pieces of the hot path, `python -m bench.profile` shows where the time
goes. README.md says what the numbers mean and how to misread them.
"""
