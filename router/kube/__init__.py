"""What store, discovery and coordination need of a Kubernetes API server: a client, and its objects, followed."""
