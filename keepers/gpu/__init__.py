"""Hardware of a node: the NVML binding, a sampler that cannot hang, fingerprints, class names, and the prover that
answers challenges on what `backends` finds.

NVML values are claims of the machine's owner, never evidence; what a renter pays for is decided by the committee.
"""
