"""Hardware of a node: the NVML binding, a sampler that cannot hang, fingerprints and class names.

NVML values are claims of the machine's owner, never evidence; what a renter pays for is decided by the committee.
"""
