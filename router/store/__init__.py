"""Where endpoints come from: files, or resources in a cluster. Gives configurations, knows nobody who serves them."""
