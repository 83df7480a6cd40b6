"""Every noun, as frozen dataclasses, and how to write it in words, JSON or a fingerprint. No torch.

Pages, worker and command line all use these types.
"""
