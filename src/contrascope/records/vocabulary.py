"""Every signal, factor, rank, probe and verdict once: terminal, page, notebook, comparison and monitor iterate over it.

A number that no entry names is shown under its path, and a test fails; so does an entry that no producer fills.
"""

from typing import Literal

from contrascope.records.words import Measure, VerdictWord

Question = Literal["sound", "learning", "useful"]
"""What a diagnosis answers, each with words of its own."""
SoundWord = Literal["sound", "unsound", "cannot be told"]
"""Faults and collapse: decidable without labels."""
LearningWord = Literal[
    "learning",
    "barely learning",
    "not learning",
    "policy too easy to tell",
    "may rest on a shortcut",
    "cannot be told",
]
"""Whether training made it better than random weights at telling images apart: without labels."""
UsefulWord = Literal["useful", "not useful", "label more", "cannot be told without labels"]
"""Whether it serves the classes that one cares for: with a few labels."""
Word = SoundWord | LearningWord | UsefulWord
"""What an answer may say."""

QUESTIONS: dict[Question, str] = {
    "sound": "Is it sound?",
    "learning": "Is it learning?",
    "useful": "Is it useful for your classes?",
}
"""Each question as it is asked."""
ANSWERS: tuple[VerdictWord, ...] = (
    VerdictWord(word="sound", tone="good"),
    VerdictWord(word="unsound", tone="bad", grave=True),
    VerdictWord(word="learning", tone="good"),
    VerdictWord(word="barely learning", tone="open"),
    VerdictWord(word="not learning", tone="bad"),
    VerdictWord(word="policy too easy to tell", tone="open"),
    VerdictWord(word="may rest on a shortcut", tone="open"),
    VerdictWord(word="useful", tone="good"),
    VerdictWord(word="not useful", tone="bad"),
    VerdictWord(word="label more", tone="open"),
    VerdictWord(word="kept", tone="good"),
    VerdictWord(word="forgotten", tone="bad"),
    VerdictWord(word="cannot be told", tone="open"),
    VerdictWord(word="cannot be told without labels", tone="open"),
    VerdictWord(word="not diagnosed", tone="open", mark="–"),
)
OPERATION_WORDS: tuple[VerdictWord, ...] = (
    VerdictWord(word="useful", tone="good"),
    VerdictWord(word="saturated", tone="good"),
    VerdictWord(word="no-op", tone="open", mark="–"),
    VerdictWord(word="destructive", tone="bad"),
    VerdictWord(word="cannot be told", tone="open"),
)
"""What an advice may say of an operation."""

LAYERS = {
    "h": "encoder h",
    "reference_h": "reference of h",
    "z": "projector z",
    "reference_z": "reference of z",
}
"""Layers of a diagnosis; what the reference is, the record says."""
RANDOM_LAYERS = {
    "h": "encoder h",
    "reference_h": "random encoder h",
    "z": "projector z",
    "reference_z": "random projector z",
}
"""Layers where the reference is always a random network."""

SIGNALS: tuple[Measure, ...] = (
    Measure(
        path="views.alignment",
        title="alignment: mean squared distance of two views",
        short="alignment",
        unit="0 to 4",
        better="lower",
        main=True,
        row="alignment",
        figure="alignment",
    ),
    Measure(
        path="views.augmentation_robust",
        title="worst pair of views, squared",
        unit="0 to 4",
        better="lower",
    ),
    Measure(
        path="views.retrieval",
        title="a view finds its image first",
        unit="share",
        better="higher",
        bar="a view finds<br>its image",
        main=True,
        row="retrieval",
        figure="learning",
    ),
    Measure(
        path="views.confusion",
        title="average confusion ratio",
        unit="share",
        better="lower",
        bar="average<br>confusion ratio",
    ),
    Measure(
        path="uniformity",
        title="uniformity",
        unit="log, 0 to -4",
        better="lower",
        main=True,
        row="uniformity",
        figure="spread",
    ),
    Measure(path="wasserstein", title="distance to the uniform law", unit="", better="lower"),
    Measure(path="spread", title="variance of unit rows", unit="0 to 1"),
    Measure(path="std", title="standard deviation over the uniform law's", unit="1: as uniform"),
    Measure(
        path="modes",
        title="variance between 8 clusters",
        unit="share",
        better="lower",
        bar="variance between<br>8 clusters",
        row="modes",
    ),
    Measure(
        path="shortcut.explained",
        title="explained by trivial statistics",
        unit="share",
        better="lower",
        bar="explained by<br>trivial statistics",
    ),
    Measure(
        path="shortcut.retrieval",
        title="rank of the nearest neighbour by trivial statistics",
        short="neighbour's rank by trivial statistics",
        unit="0 nearest, 0.5 chance",
    ),
    Measure(
        path="participation_ratio",
        title="participation ratio",
        unit="directions",
        table="ranks",
        main=True,
        row="participation_ratio",
        figure="ranks",
    ),
    Measure(
        path="effective_rank",
        title="effective rank",
        unit="directions",
        table="ranks",
        row="rank",
        figure="ranks",
    ),
    Measure(
        path="stable_rank",
        title="stable rank: variance over that of the widest",
        unit="directions",
        table="ranks",
    ),
    Measure(
        path="rankme",
        title="RankMe",
        short="RankMe (raw singular values)",
        unit="directions",
        table="ranks",
        main=True,
        row="rankme",
        figure="ranks",
    ),
    Measure(path="views.lidar", title="LiDAR", unit="directions", table="ranks", row="lidar", figure="ranks"),
    Measure(path="rankme_centred", title="RankMe of centred unit rows", unit="", table="ranks"),
    Measure(path="alpha", title="alpha-ReQ exponent", unit="", table="ranks"),
    Measure(path="dead", title="constant dimensions", unit="", table="ranks"),
    Measure(path="dim", title="dimensions", unit="", table="ranks"),
    Measure(path="images", title="images measured", unit="", table="ranks"),
)
"""Numbers of a layer that need no labels, below `signals.h` and its likes in diagnosis.json."""

_KINDS = {
    "own": "own views",
    "standard.crop": "standard views: crop",
    "standard.colour": "standard views: colour",
    "standard.crop and colour": "standard views: crop and colour",
    "standard.affine": "standard views: small affine maps",
    "standard.all": "standard views: mean of all",
    "residual.own": "own views without trivial statistics",
    "residual.crop": "crop without trivial statistics",
    "residual.colour": "colour without trivial statistics",
    "residual.crop and colour": "crop and colour without trivial statistics",
    "residual.affine": "small affine maps without trivial statistics",
    "residual.all": "all without trivial statistics",
}
LEARNING: tuple[Measure, ...] = (
    *(
        Measure(path=f"{path}.odds", title=title, unit="log odds", better="higher")
        for path, title in _KINDS.items()
    ),
    *(
        Measure(path=f"{path}.{of}", title=f"{title}, {words}", unit="share of galleries of 100")
        for path, title in _KINDS.items()
        for of, words in (("trained", "encoder"), ("random", "random encoder"))
    ),
    Measure(path="bait", title="views nearer to their own shuffled pixels", unit="share", better="lower"),
    Measure(path="random_bait", title="the same of the random encoder", unit="share"),
)
"""Gains over random weights at finding an image's other view, below `signals.learning` in diagnosis.json."""

FACTORS: tuple[Measure, ...] = (
    Measure(path="error", title="nearest-centre error", unit="share", better="lower"),
    Measure(path="max_cosine", title="largest cosine of two class centres", unit="-1 to 1", better="lower"),
    Measure(path="mean_cosine", title="mean cosine of two class centres", unit="-1 to 1", better="lower"),
    Measure(
        path="delta_mu",
        title="delta_mu: 1 - smallest squared length of a centre",
        short="delta_mu",
        unit="0 to 1",
        better="lower",
    ),
    Measure(path="simplex_distance", title="distance to the simplex", unit="", better="lower"),
    Measure(path="cdnv", title="class-distance normalised variance", unit="", better="lower"),
    Measure(path="directional_cdnv", title="the same along the centres' line", unit="", better="lower"),
)
"""Numbers of a layer under one labelling, below its entry of `factors` in diagnosis.json."""

DETAILS: tuple[Measure, ...] = (
    Measure(path="alignment_raw", title="alignment of raw rows", unit="their own unit, squared"),
    Measure(
        path="augmentation_robust_raw", title="worst pair of views, raw rows", unit="their own unit, squared"
    ),
    Measure(path="losses.info_nce", title="InfoNCE, one negative at temperature 1", unit="nats"),
    Measure(path="losses.info_nce_l1", title="its alignment part L_1", unit="-1 to 1"),
    Measure(path="losses.info_nce_l2", title="its spread part L_2", unit="nats"),
    Measure(path="losses.correlation", title="cross-correlation loss, lambda 0.005", unit=""),
    Measure(path="losses.correlation_l1", title="its diagonal part L_1", unit=""),
    Measure(path="losses.correlation_l2", title="its whole part L_2", unit=""),
    Measure(path="losses.correlation_align", title="alignment of standardised rows", unit=""),
    Measure(path="losses.correlation_align_bound", title="Lemma 4.1's bound on it", unit=""),
)
"""Numbers of a layer that no rule reads, below its entry of `details` in diagnosis.json."""

SLOPES: tuple[Measure, ...] = (
    Measure(path="value", title="Lipschitz constant of the encoder, from below", unit=""),
    Measure(path="pairs", title="largest slope between two images", unit=""),
    Measure(path="jacobian", title="largest slope at one image", unit=""),
    Measure(path="spread", title="rounding of that slope", unit=""),
)
"""Numbers of `lipschitz` in diagnosis.json."""

GEOMETRY: tuple[Measure, ...] = (
    Measure(path="loss.loss", title="InfoNCE, decoupled form", unit=""),
    Measure(path="loss.upper_bound", title="its upper bound", unit=""),
    Measure(path="loss.invariance", title="invariance term: minus the cosine of positives", unit=""),
    Measure(path="loss.repulsion", title="repulsion term: cosine of the nearest negative", unit=""),
    Measure(path="loss.entropy", title="entropy of the softmax over negatives", unit="nats"),
    Measure(path="clean.relative", title="rank of h, clean images", unit=""),
    Measure(path="augmented.relative", title="rank of h, augmented images", unit=""),
    Measure(path="projector.matrix.relative", title="rank of the projector's W, relative threshold", unit=""),
    Measure(path="projector.matrix.absolute", title="rank of W, absolute threshold", unit=""),
    Measure(path="projector.matrix.effective", title="effective rank of W", unit=""),
    Measure(path="projector.local_relative.mean", title="mean rank of the local Jacobian", unit=""),
    Measure(path="projector.distinct", title="activation patterns of the images", unit=""),
    Measure(path="projector.crossed.mean", title="pieces between two views", unit=""),
    Measure(path="projector.size.median", title="length of a piece", unit="units of h"),
    Measure(
        path="negatives.distance_spread.median",
        title="distance to the nearest negative, median",
        unit="1: as any image",
    ),
    Measure(path="negatives.unexplained", title="displacements outside W's columns", unit="share"),
    Measure(
        path="negatives.unexplained_local",
        title="displacements outside the local Jacobian",
        unit="share",
    ),
    Measure(path="negatives.unexplained_chance", title="the same by chance", unit="share"),
)
"""Numbers of a network's features, below `trained.features` in geometry.json: those that the page shows."""

PROBES = {
    "nearest_centre": ("nearest centre", "all labels,\nnearest centre"),
    "knn": ("kNN", "all labels,\nkNN"),
    "linear": ("linear probe", "all labels,\nlinear"),
}
"""Classifier on frozen features: its name on a page, and over a narrow column."""
