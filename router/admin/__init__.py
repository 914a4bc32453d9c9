"""The admin port: how the router is doing, for probes, scrapers and people. No scoring request comes this way."""
