"""Numbers that papers report, to stand beside one's own; in percent."""

AUGMENTED_COPIES = ("grayscale", "crop", "flip", "jitter", "jitter_grayscale", "original")

PUBLISHED_AUGMENTED: tuple[tuple[str, str, int, tuple[float, ...]], ...] = (
    ("CIFAR-10", "SimCLR", 256, (86.36, 83.21, 86.93, 86.42, 86.13, 86.76)),
    ("CIFAR-10", "SimCLR + ArCL m=4", 256, (88.68, 86.77, 89.01, 88.70, 88.31, 88.95)),
    ("CIFAR-10", "SimCLR + ArCL m=6", 256, (88.95, 87.18, 89.54, 88.92, 88.61, 89.11)),
    ("CIFAR-10", "SimCLR", 512, (88.62, 86.27, 88.96, 88.56, 88.37, 88.81)),
    ("CIFAR-10", "SimCLR + ArCL m=4", 512, (89.97, 88.06, 90.48, 89.91, 89.59, 90.20)),
    ("CIFAR-10", "SimCLR + ArCL m=6", 512, (90.24, 89.54, 90.69, 90.43, 90.07, 90.69)),
    ("CIFAR-100", "SimCLR", 256, (51.65, 47.55, 53.17, 52.05, 51.36, 52.75)),
    ("CIFAR-100", "SimCLR + ArCL m=4", 256, (53.76, 49.80, 55.68, 54.19, 52.96, 54.83)),
    ("CIFAR-100", "SimCLR + ArCL m=6", 256, (54.13, 50.74, 55.74, 54.75, 53.46, 55.29)),
    ("CIFAR-100", "SimCLR", 512, (52.28, 48.09, 53.45, 52.58, 51.53, 53.12)),
    ("CIFAR-100", "SimCLR + ArCL m=4", 512, (53.40, 50.16, 54.92, 53.77, 52.61, 54.20)),
    ("CIFAR-100", "SimCLR + ArCL m=6", 512, (54.00, 50.57, 56.24, 55.04, 53.77, 55.60)),
)
"""Data, method, batch and accuracy on each of `AUGMENTED_COPIES`: Zhao et al. 2023 (arXiv:2303.01092, ArCL), as on
the slide "Performance on Augmented Datasets" of Huang's talk of December 2023 ("Theoretical Insights into
Self-Supervised Contrastive Learning"), which states neither encoder nor probe."""

_NINE = ("aircraft", "caltech101", "cars", "cifar10", "cifar100", "dtd", "flowers", "food", "pets")

_BY_SET: dict[str, dict[str, tuple[float, ...]]] = {
    "linear": {
        "MoCo": (41.79, 87.92, 39.31, 92.28, 74.90, 73.88, 90.07, 68.95, 83.30),
        "AAL m=2": (40.53, 87.80, 38.64, 92.23, 75.14, 74.95, 88.64, 69.24, 83.17),
        "ArCL m=2": (44.29, 89.79, 42.15, 93.07, 76.70, 74.20, 90.40, 70.94, 83.68),
        "AAL m=3": (40.41, 87.79, 42.09, 92.64, 75.31, 74.89, 89.23, 69.37, 83.79),
        "ArCL m=3": (44.57, 89.48, 42.11, 93.29, 77.33, 74.63, 91.13, 71.16, 84.23),
    },
    "finetune": {
        "MoCo": (83.56, 82.54, 85.09, 95.89, 71.81, 69.95, 95.26, 76.81, 88.83),
        "AAL m=2": (83.87, 82.76, 85.90, 96.38, 71.43, 72.71, 95.50, 76.95, 89.05),
        "ArCL m=2": (86.05, 87.38, 87.28, 96.33, 79.39, 72.18, 95.89, 81.36, 89.03),
        "AAL m=3": (83.07, 83.21, 85.19, 96.37, 72.02, 72.55, 95.74, 79.62, 88.83),
        "ArCL m=3": (84.03, 87.64, 86.34, 96.88, 80.98, 72.87, 96.14, 81.90, 89.20),
    },
}

PUBLISHED_TRANSFER_SETS: dict[str, dict[str, dict[str, float]]] = {
    mode: {method: dict(zip(_NINE, values, strict=True)) for method, values in methods.items()}
    for mode, methods in _BY_SET.items()
}
"""Mode, method and set to its score, the nine sets of `data/transfer_sets.py`: ResNet-50 on ImageNet at 224 pixels,
Zhao et al. 2023, as on the slide "Performance on OOD Datasets" of the same talk. AAL takes the average over pairs of
views where ArCL takes the worst; m views."""

PUBLISHED_TRANSFER: dict[str, dict[str, float]] = {
    "linear": {"MoCo": 72.49, "AAL m=2": 72.26, "ArCL m=2": 73.91, "AAL m=3": 72.84, "ArCL m=3": 74.21},
    "finetune": {"MoCo": 83.30, "AAL m=2": 83.84, "ArCL m=2": 86.10, "AAL m=3": 84.07, "ArCL m=3": 86.22},
}
"""The column "Avg" of the same slide: the mean over the nine sets."""

PUBLISHED_EPOCHS = (200, 400, 600, 800)

PUBLISHED_MODIFIED: dict[str, tuple[float, ...]] = {
    "SimCLR, temperature 1": (76.8, 80.6, 84.3, 86.8),
    "SimCLR, temperature 0.5": (80.4, 84.1, 87.4, 89.4),
    "modified InfoNCE, temperature 0.2": (83.0, 86.2, 88.7, 90.3),
}
"""Accuracy after each of `PUBLISHED_EPOCHS` of the loss that `modified_info_nce` is: Huang et al. 2023
(arXiv:2111.00743), as on the last slide of experiments of "The Generalization of Contrastive Self-Supervised Learning"
(ICLR 2023), which states neither data, encoder, probe nor lambda. No suite has a row to set beside it; docs/results.md
has the table."""
