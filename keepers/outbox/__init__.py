"""Every transaction we send, once. Intent, nonce and signed bytes are committed before anything leaves the machine.

queue (what is wanted) → broadcaster (nonce, sign, store, send, replace) → confirmer (receipt, reorg, finality).
"""
