"""Where replicas come from on one machine: local processes and fixed urls. Whoever routes is told through `Roster`."""
