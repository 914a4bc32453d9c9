"""What is served now: the configuration in force made live. Between the stores and the data plane; built by `main`."""
