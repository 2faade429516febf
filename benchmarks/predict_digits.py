"""How well a few-label classifier knows what it is worth: digits by their pixels, against the labels it did not have.

    python benchmarks/predict_digits.py

First what cross-validation promises and what comes, for the first 120 scans and for 120 at random, of nine digits.
Then, with one digit unlabelled, how much of it is answered "do not know" where a tenth of the left-out labelled scans
are: by confidence and nearest labelled scan together, and by either alone.
"""

import torch
from torch import Tensor

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.evaluation.few.classify import FewLabelClassifier, learn, share_below
from contrascope.evaluation.few.cross_validation import calibration_error, cross_validated

DECLINE = 0.1


def promised(h: Tensor, truth: Tensor, chosen: Tensor, unlabelled: int) -> None:
    ids = chosen[truth[chosen] != unlabelled][:120]
    classes, codes = truth[ids].unique(return_inverse=True)
    found = learn(h[ids], codes, len(classes))
    told = cross_validated(found, codes, decline=DECLINE)
    rest = truth != unlabelled
    rest[ids] = False
    chances = found.probabilities(h[rest]).max(dim=1)
    right = classes[chances.indices] == truth[rest]
    low, value, high = (100 * end for end in (told.accuracy.low, told.accuracy.value, told.accuracy.high))
    print(
        f"promised {value:.1f} % ({low:.1f} to {high:.1f}), "
        f"came {100 * right.double().mean():.1f} %; calibration error {100 * told.calibration_error:.1f} points "
        f"promised, {100 * calibration_error(chances.values, right):.1f} came"
    )


def declined(found: FewLabelClassifier, h: Tensor) -> dict[str, Tensor]:
    """Whether each row is declined, by each rule at the same share of left-out labelled rows."""
    out = found.left_out

    def scores(confidence: Tensor, cosine: Tensor) -> dict[str, Tensor]:
        one, other = share_below(out.confidence, confidence), share_below(out.cosine, cosine)
        return {"together": one * other, "confidence": one, "cosine": other}

    own = scores(out.confidence, out.cosine)
    new = scores(found.probabilities(h).max(dim=1).values, found.cosine(h))
    return {name: new[name] < own[name].quantile(DECLINE) for name in own}


def main() -> None:
    images = open_images(DataSettings(source="digits"))
    h, truth = images.gather(torch.arange(len(images))).float().flatten(1), images.labels["digit"]
    order = torch.randperm(len(truth), generator=torch.Generator().manual_seed(0))
    for name, chosen in (("the first 120", torch.arange(len(truth))), ("120 at random", order)):
        print(name, end=": ")
        promised(h, truth, chosen, unlabelled=4)
    for count in (60, 150):
        for unlabelled in (1, 3, 8):
            known = order[truth[order] != unlabelled]
            classes, codes = truth[known[:count]].unique(return_inverse=True)
            found = learn(h[known[:count]], codes, len(classes))
            rest = declined(found, h[known[count:]])
            new = declined(found, h[truth == unlabelled])
            words = ", ".join(
                f"{name} {100 * new[name].double().mean():.0f} % (known {100 * rest[name].double().mean():.0f} %)"
                for name in new
            )
            print(f"{count} labels, no {unlabelled}: declined by {words}")


if __name__ == "__main__":
    main()
