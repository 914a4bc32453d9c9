"""The data plane: protocol classes on both sides, and the exchange between them. See docs/architecture.md."""
