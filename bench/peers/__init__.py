"""The proxies that maitre is measured beside, each told to do the work of `bench.work`: one module per peer.

All of them: one thread that takes requests, no access log, kept-alive connections on both sides, one retry when a
replica cannot be connected to. `prepare(directory, port, replicas)` writes what the server reads into `directory` and
returns its command. Called by `bench.contenders`.
"""
