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
the authors' slides, which state neither encoder nor probe."""

PUBLISHED_TRANSFER: dict[str, dict[str, float]] = {
    "linear": {"MoCo": 72.49, "AAL m=2": 72.26, "ArCL m=2": 73.91, "AAL m=3": 72.84, "ArCL m=3": 74.21},
    "finetune": {"MoCo": 83.30, "AAL m=2": 83.84, "ArCL m=2": 86.10, "AAL m=3": 84.07, "ArCL m=3": 86.22},
}
"""Mean over the nine sets of `data/transfer_sets.py`, ResNet-50 on ImageNet at 224 pixels: the same source. AAL takes
the average over pairs of views where ArCL takes the worst."""
