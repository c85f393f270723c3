"""What every role runs on: the role's cycle, the process around it, tickers, clocks, settings, logs, metrics.

No role's rules are here, and no web framework: an agent stays small.
"""
