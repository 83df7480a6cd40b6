"""Every noun, as frozen dataclasses, and what can be said of it in words, JSON or a fingerprint. No torch.

Pages, worker and command line all speak these types.
"""
