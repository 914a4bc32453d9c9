"""What a request costs: maitre beside nginx and HAProxy, on the same work, in the same run.

`python -m bench` measures, `python -m bench.micro` times the pieces of the hot path, `python -m bench.profile` shows
where the time goes. README.md says what the numbers mean and how to misread them.
"""
