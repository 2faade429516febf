"""Records of a small run, as the trainers write them, without any trainer."""

import base64
import io

from PIL import Image

SCRIPT, IMAGE = "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>'


def sheet(count, side=8):
    """A sheet of `count` grey tiles."""
    file = io.BytesIO()
    Image.new("RGB", (32 * side, -(-count // 32) * side), "grey").save(file, "WEBP")
    data = base64.b64encode(file.getvalue()).decode()
    return {"side": side, "columns": 32, "first": 0, "count": count, "format": "webp", "data": data}


def estimate(value, width=0.02):
    return {"kind": "Estimate", "value": value, "low": value - width, "high": value + width}


def layer(retrieval=0.4):
    return {
        "images": 100,
        "dim": 32,
        "spread": 0.4,
        "uniformity": estimate(-1.4),
        "rankme": 20.0,
        "participation_ratio": 9.0,
        "modes": 0.3,
        "shortcut": {"explained": estimate(0.2)},
        "views": {"alignment": estimate(0.3), "retrieval": estimate(retrieval), "lidar": 12.0},
    }


def bound(name, value, **more):
    common = {"terms": {"error": 0.25}, "conditions": {}, "trivial": 0.9, "source": "by hand", "lower": False}
    return {"name": name, "value": value, **common, **more}


def diagnosis(word="healthy"):
    factors = {
        "labels": "label",
        "pseudo": False,
        "classes": 3,
        "max_cosine": estimate(0.5),
        "error": estimate(0.3),
        "bounds": [
            bound("error, good", 0.4),
            bound("error, poor", 0.95),
            bound("error, fails", 0.1, conditions={"rho <= 1/2": False}),
        ],
    }
    return {
        "thing": "run",
        "data": "digits",
        "verdict": {"word": word, "evidence": ["A view finds its image."], "cause": "", "next": "Evaluate."},
        "signals": {"h": layer(), "reference_h": layer(0.02), "reference": "a random encoder"},
        "factors": {"h label": factors},
    }


def settings(seed=0):
    return {
        "kind": "RunSettings",
        "data": {"kind": "DataSettings", "source": "digits", "split": "train"},
        "policy": {"kind": "PolicySettings", "name": "digits", "strength": None},
        "method": {"kind": "SimCLRSettings", "temperature": 0.5},
        "encoder": {"kind": "EncoderSettings", "name": "convnet", "mean": [0.5]},
        "training": {"kind": "TrainingSettings", "epochs": 4, "batch_size": 50, "seed": seed},
    }


def environment():
    versions = {"contrascope": "0.1.0", "torch": "2.13.0"}
    shape = {"images": 100, "image_shape": [1, 8, 8]}
    return {"time": "2026-01-01", "device": "cpu", "commit": "abc", "versions": versions, **shape}


def evaluation():
    rows = [
        {"of": of, "name": name, "value": value, "low": value - 0.01, "high": value + 0.01, "n": 500}
        | {"protocol": "0123456789ab", "split": "test"}
        for of, value in (("trained encoder", 0.9), ("random encoder", 0.6), ("raw pixels", 0.7))
        for name in ("knn", "few_labels_1")
    ]
    return {"rows": rows, "protocol": {}}


def metrics(steps=8, probes=4):
    rows = [
        {"kind": "step", "step": s, "epoch": s // 2, "loss": 5 - s / 10, "align": -6.0, "spread": 11 - s / 10}
        | {"lr": 0.1, "images_per_second": 100.0 + s}
        for s in range(1, steps + 1)
    ]
    probed = [
        {"kind": "probe", "step": 2 * e, "epoch": e, "verdict": "not learning" if e == 1 else "healthy"}
        | {"h_alignment": 0.1 * e, "h_retrieval": 0.2 * e, "h_participation_ratio": 3.0 + e}
        | {"h_uniformity": -1.0, "knn_held_out": 0.2 * e}
        | {"h_max_cosine": 0.9 - 0.1 * e, "h_centre_error": 0.5 - 0.1 * e}
        for e in range(1, probes + 1)
    ]
    return rows + probed


def gallery(points=40, classes=("zero", "one")):
    item = {"tile": 0, "name": "image 0", "label": 0}
    view = {"tile": 1, "parameters": ["random resized crop: box 0 0 4 4"]}
    alternating = [i % 2 for i in range(points)]
    line = [round(0.37 * i % 1.7, 4) for i in range(points)]
    columns = {"label": alternating, "pseudo": alternating, "split": [0] * points, "alignment": line}
    return {
        "kind": "Gallery",
        "policy": "digits",
        "classes": list(classes),
        "sheets": [sheet(points + 2)],
        "views": [{**item, "views": [view, view]}],
        "worst": [{**item, "alignment": 1.5, "views": [view]}],
        "best": [{**item, "alignment": 0.1, "views": [view]}],
        "neighbours": [{**item, "confusing": True, "near": [{**item, "label": 1, "cosine": 0.99}]}],
        "spectra": {"h": [3.0, 1.0, 0.5], "reference_h": [5.0, 0.1]},
        "r_epsilon": {
            "epsilons": [0.0, 1.0, 2.0],
            "h": {"share": [1.0, 0.5, 0.0], "low": [1, 0.4, 0], "high": [1, 0.6, 0]},
        },
        "concentration": {
            "deltas": [0.0, 1.0, 2.0],
            "images_per_class": 100,
            "h": {"mean": [0.1, 0.7, 1.0], "smallest": [0.1, 0.5, 1.0]},
        },
        "map": {"pca": {"x": line, "y": line, "explained": [0.5, 0.2]}, "splits": ["train"]}
        | {**columns, "id": list(range(points)), "tile": list(range(points)), "pseudo_rule": "k-means."},
    }


def operation_cell(share, moved):
    return {"variance_share": share, "moved": moved, "directions": 10, "carried": 0.9, "most_share": 0.95}


def operation_row(name, share, removed, generator=True):
    facts = {
        "explained": 0.6,
        "explained_fitted": 0.7,
        "rank": 4,
        "seen": 0.2,
        "seen_chance": 0.5,
        "raw": 0.1,
    }
    return {
        "name": name,
        "unit": "turn",
        "layers": {"h": operation_cell(share, 0.2), "z": operation_cell(share / 2, 0.05)},
        "removed": removed,
        "removed_chance": 0.5,
        "angles": [1.0, 80.0],
        "generator": facts if generator else None,
        "derivative": {"cosine": 0.9, "removed": 0.8} if generator else None,
    }


def geometry_features(loss=2.0):
    return {
        "images": 100,
        "dim": 8,
        "loss": {"loss": loss, "upper_bound": loss + 1},
        "clean": {"singular_values": [4.0, 2.0, 0.0], "relative": 2},
        "augmented": {"singular_values": [5.0, 1.0, 0.5], "relative": 3},
        "negatives": {
            "sharing": {"label": {"value": 0.4, "low": 0.3, "high": 0.5}},
            "chance": {"label": 0.1},
            "histogram_spread": [0, 60, 40, 0],
            "distance_spread": {"median": 0.9},
            "unexplained": 0.3,
            "unexplained_chance": 0.5,
        },
        "projector": {
            "matrix": {"singular_values": [1.0, 0.5], "relative": 2, "absolute": 1, "effective": 1.9}
        },
    }


def geometry():
    """A geometry.json of two operations."""
    return {
        "trained": {
            "features": geometry_features(),
            "operations": [
                operation_row("crop", 0.6, 0.7),
                operation_row("flip", 0.25, 0.4, generator=False),
            ],
        },
        "reference": {
            "features": geometry_features(3.0),
            "operations": [
                operation_row("crop", 0.1, 0.5),
                operation_row("flip", 0.05, 0.5, generator=False),
            ],
        },
    }


def geometry_probe(epoch):
    """What the probe of the geometry adds to a row."""
    loss = {"geometry_loss": 3.0 - epoch, "geometry_bound": 4.0 - epoch, "geometry_rank": 8 - epoch}
    shares = {"geometry_unexplained": 0.5 / epoch, "geometry_sharing_label": 0.1 * epoch}
    return loss | shares | {"geometry_seen_crop": 0.3}
