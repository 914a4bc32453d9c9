"""Examples that run as they stand: `digits`, an endpoint with two real models, and `demo`, which shows it at work."""
