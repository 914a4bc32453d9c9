"""Where replicas come from: local processes, fixed urls, and pods. Whoever routes is told through `Roster`."""
