"""More than one process: the control process and its workers, what starts, watches and ends them, what they talk over.

Knows nothing of what the two say to each other, but for the few words in `messages`.
"""
