"""What the router tells about itself: metrics, the process log and the access log.

Nothing here decides anything: the data plane and the control loops write, scrapers and people read.
"""
