"""The provider's agent: samples the GPUs of its nodes and signs a heartbeat for each in every slot.

Keys stay in this process (or a remote signer); nothing on a rented machine needs them.
"""
