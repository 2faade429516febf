"""The keys of metrics.jsonl: those of signals are made of the vocabulary, the others stand here, each once."""

from collections.abc import Sequence

from contrascope.records.vocabulary import LAYERS, SIGNALS
from contrascope.records.words import RowWord

_FOLLOWED, _SHARE = "displacements unexplained", "share, 0 to 1"
ROWS: tuple[RowWord, ...] = (
    RowWord(key="loss", title="loss", unit="its method's own unit", figure="loss"),
    RowWord(key="align", title="alignment half", unit="own unit", figure="loss"),
    RowWord(key="spread", title="spread half", unit="own unit", figure="loss"),
    RowWord(key="lr", title="learning rate", unit="1", figure="rate"),
    RowWord(key="images_per_second", title="images per second", figure="throughput"),
    RowWord(key="method_code_evenness", title="evenness of the mean code", unit=_SHARE, figure="method"),
    RowWord(key="method_code_entropy", title="entropy of a code over even's", unit=_SHARE, figure="method"),
    RowWord(key="method_used_prototypes", title="used prototypes", unit=_SHARE, figure="method"),
    RowWord(key="method_distinct_neighbours", title="distinct neighbours", unit=_SHARE, figure="method"),
    RowWord(key="method_target_std", title="standard deviation of targets", unit=_SHARE, figure="method"),
    RowWord(key="method_accuracy", title="accuracy of the pretext", unit=_SHARE, figure="method"),
    RowWord(key="method_divergence", title="divergence of predictions from codes", unit="nats"),
    RowWord(key="method_log_condition", title="condition of the covariance", unit="log10"),
    RowWord(
        key="method_generated_variance", title="variance of generated images over real ones", unit="ratio"
    ),
    RowWord(key="method_encoded_variance", title="variance of encoded latents"),
    RowWord(key="method_length", title="mean length of z"),
    *(
        RowWord(key=one.row, title=one.short or one.title, unit=one.unit, figure=one.figure, layered=True)
        for one in SIGNALS
        if one.row
    ),
    RowWord(
        key="h_gain_own", title="gain over random weights, own views", unit="log odds", figure="learning"
    ),
    RowWord(
        key="h_gain_standard",
        title="gain over random weights, standard views",
        unit="log odds",
        figure="learning",
    ),
    RowWord(
        key="h_gain_halves",
        title="gain over random weights, halves of sentences",
        unit="log odds",
        figure="learning",
    ),
    RowWord(
        key="h_gain_words", title="gain over TF-IDF, halves of sentences", unit="log odds", figure="learning"
    ),
    RowWord(key="score", title="label-free score", unit="log odds"),
    RowWord(
        key="max_cosine", title="largest cosine of centres", unit="-1 to 1", figure="divergence", layered=True
    ),
    RowWord(
        key="mean_cosine", title="mean cosine of centres", unit="-1 to 1", figure="divergence", layered=True
    ),
    RowWord(
        key="centre_error", title="nearest-centre error", unit="share", figure="divergence", layered=True
    ),
    RowWord(
        key="knn_held_out",
        title="kNN accuracy on held-out training images",
        unit="share, 0 to 1",
        figure="learning",
    ),
    RowWord(key="seconds", title="time of the diagnosis", unit="s"),
    RowWord(key="geometry_loss", title="InfoNCE, decoupled form", unit="nats", figure="bound"),
    RowWord(key="geometry_bound", title="its upper bound", unit="nats", figure="bound"),
    RowWord(
        key="geometry_rank", title="projector, relative threshold", unit="directions", figure="projector"
    ),
    RowWord(
        key="geometry_rank_absolute",
        title="projector, absolute threshold",
        unit="directions",
        figure="projector",
    ),
    RowWord(
        key="geometry_effective_rank", title="projector, effective", unit="directions", figure="projector"
    ),
    RowWord(
        key="geometry_h_rank",
        title="encoder features, relative threshold",
        unit="directions",
        figure="projector",
    ),
    RowWord(key="geometry_unexplained", title=_FOLLOWED, unit="share", figure="removed"),
    RowWord(key="geometry_unexplained_local", title=f"{_FOLLOWED} locally", unit="share", figure="removed"),
    RowWord(key="geometry_unexplained_chance", title="unexplained by chance", unit="share", figure="removed"),
    RowWord(
        key="geometry_sharing_",
        title="nearest negative shares",
        unit="share",
        figure="removed",
        prefix=True,
    ),
    RowWord(key="geometry_removed_", title="removed of", unit="share", figure="removed", prefix=True),
    RowWord(
        key="geometry_seen_",
        title="seen of the generator of",
        unit="share",
        figure="removed",
        prefix=True,
    ),
    RowWord(key="geometry_h_effective_rank", title="encoder features, effective", unit="directions"),
    RowWord(key="geometry_distance_unit", title="distance to the nearest negative, unit rows"),
    RowWord(key="geometry_distance_spread", title="distance to the nearest negative over two images'"),
    RowWord(key="geometry_distinct", title="activation patterns of the images"),
    RowWord(key="geometry_pieces", title="pieces between two views"),
    RowWord(key="geometry_h_moved_", title="encoder moved by", prefix=True),
    RowWord(key="geometry_z_moved_", title="projector moved by", prefix=True),
    RowWord(key="geometry_h_along_", title="encoder's variance along", unit="share", prefix=True),
    RowWord(key="geometry_z_along_", title="projector's variance along", unit="share", prefix=True),
    RowWord(key="geometry_raw_", title="seen of the generator, raw, of", unit="share", prefix=True),
    RowWord(key="geometry_explained_", title="explained by a generator of", unit="share", prefix=True),
    RowWord(key="geometry_seconds", title="time of the geometry", unit="s"),
)
"""Numbers in the rows of metrics.jsonl; those of signals are made of SIGNALS."""


def row_word(key: str) -> RowWord | None:
    """The word of a key of metrics.jsonl, whatever layer or operation it names.

    >>> row_word("z_alignment").title, row_word("geometry_seen_crop").figure, row_word("new")
    ('alignment', 'removed', None)
    """
    for one in ROWS:
        if key == one.key and not one.layered and not one.prefix:
            return one
        if one.layered and key in (f"h_{one.key}", f"z_{one.key}"):
            return one
    return next((one for one in ROWS if one.prefix and key.startswith(one.key)), None)


def row_title(key: str) -> str:
    """What a key of metrics.jsonl is called; one that no word names is its own title.

    >>> row_title("h_rankme"), row_title("geometry_seen_crop"), row_title("new")
    ('RankMe (raw singular values), encoder h', 'seen of the generator of crop', 'new')
    """
    word = row_word(key)
    if word is None:
        return key
    if word.layered:
        return f"{word.title}, {LAYERS[key[0]]}"
    return f"{word.title} {key.removeprefix(word.key)}" if word.prefix else word.title


def row_keys(figure: str, keys: Sequence[str]) -> dict[str, str]:
    """Those of the keys that a figure shows, with their titles, in the vocabulary's order, layer by layer."""
    found = [(ROWS.index(word), key) for key in keys if (word := row_word(key)) and word.figure == figure]
    layered = sorted(found, key=lambda one: (ROWS[one[0]].layered and one[1].startswith("z_"), one[0]))
    return {key: row_title(key) for _, key in layered}
