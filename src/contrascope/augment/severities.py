"""The severities of corruptions, as their settings name them; without torch."""

SEVERITIES: dict[str, tuple[float, float, float, float, float]] = {
    "noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "blur": (0.4, 0.6, 0.7, 0.8, 1.0),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "jpeg": (80.0, 65.0, 58.0, 50.0, 40.0),
}
"""Standard deviation of Gaussian noise, sigma of blur in 32nds of the side, what is added to the HSV value,
share of contrast kept, share of the side kept, and JPEG quality, by severity 1 to 5: Hendrycks and Dietterich
2019 (arXiv:1903.12261), the values of their code for CIFAR-10."""
