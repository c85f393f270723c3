"""The watcher: derives every root again from the chain's logs, asks the seats what they signed, proves what is false.

`books` is its account of uptime, `evidence` what seats signed twice, `decide` the rules, `act` the outbox.
"""
