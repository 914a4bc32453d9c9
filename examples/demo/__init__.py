"""`make demo`: the router at work on a real endpoint, watched from outside, and judged.

It starts `maitre serve` as anybody would, sends scoring requests in rising and falling load, and reads nothing but what
a user can read: answers, the metrics page and the log. In the order of a run:

    plan        how much load when            session     the run itself, top to bottom
    digits      the held-out images           child       a process that never outlives the demo
    serving     `maitre serve` as a child     logline     its log, understood
    load        requests, and their answers   observing   its metrics, twice a second
    seen        all that was seen, as values  quantiles   of answers
    view        what of it is shown           display     live table, or plain lines
    chart       replicas over time            judge       was it all seen to work
    summary     the last page

`python -m examples.demo` exits 0 only if every check of the judge passed.
"""
