"""Where endpoints come from: files (and, later, Kubernetes). Gives catalogues; knows nothing of who serves them."""
