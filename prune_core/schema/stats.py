"""The standard error of a mean over tokens when whole texts are sampled: that of a ratio of sums. numpy only."""

import numpy as np


def ratio_stderrs(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Standard error of sums.sum(0) / counts.sum(), units drawn independently; sums [S, P], counts [S] -> [P].

    Linearised ratio estimator (Cochran, Sampling Techniques, 3rd ed., eq. 2.46 and 6.13): with residuals
    e_s = sums_s - mean * counts_s, SE = sqrt(S / (S - 1) * sum_s e_s^2) / sum_s counts_s. NaN for fewer than two units.
    """
    units = len(counts)
    if units < 2:
        return np.full(sums.shape[1], np.nan)
    residuals = sums - sums.sum(0) / counts.sum() * counts[:, None]
    return np.sqrt(units / (units - 1) * np.square(residuals).sum(0)) / counts.sum()


def ratio_stderr(sums: np.ndarray, counts: np.ndarray) -> float | None:
    """The same for one column, sums [S]; None for fewer than two units."""
    return float(ratio_stderrs(sums[:, None], counts)[0]) if len(counts) > 1 else None
