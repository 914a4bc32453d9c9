"""What the router decides: pure, synchronous code without I/O, clock or randomness. See docs/architecture.md."""
