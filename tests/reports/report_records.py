"""Records of a small run, most in the form of version 0.1 (format 0), without any trainer."""

import base64
import io
import json

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
    common = {
        "terms": {"error": 0.25},
        "conditions": {},
        "trivial": 0.9,
        "source": "by hand",
        "lower": False,
        "limit": value + 0.01,
        "scope": "at 2 views an image",
        "circular": False,
    }
    return {"name": name, "value": value, **common, **more}


def answer(word, reason="", evidence=(), cause="", next=""):
    """One answer as a diagnosis writes it."""
    return {"word": word, "reason": reason, "evidence": list(evidence), "cause": cause, "next": next}


def verdict(**changed):
    """Three answers: sound, learning, and not asked with labels."""
    told = {
        "sound": answer("sound", evidence=["12.0 directions carry the variance."]),
        "learning": answer("learning", evidence=["A view finds its image."], next="Evaluate."),
        "useful": answer("cannot be told without labels", next="Label a few images."),
    }
    return {**told, **changed}


def old_verdict(word="healthy"):
    """The one word of version 0.1."""
    return {"word": word, "evidence": ["A view finds its image."], "cause": "", "next": "Evaluate."}


def diagnosis(**changed):
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
        "settings": {"kind": "DiagnosisSettings", "images": 100},
        "verdict": verdict(**changed),
        "signals": {
            "h": layer(),
            "z": None,
            "reference_h": layer(0.02),
            "reference_z": None,
            "reference": "a random encoder",
            "equal_views": 0.0,
            "faults": {"non_finite": 0, "dead_units": 0.0, "batch_norm_gap": None, "stopped": None},
        },
        "factors": {"h label": factors},
        "details": {"h": {"alignment_raw": estimate(3.0), "losses": {"info_nce": estimate(0.7)}}},
        "lipschitz": {"value": 2.5},
        "needs_views": [],
    }


def shortcut(reason="colours without form", look=None):
    """What an encoder confuses, in two rows of three pictures."""
    names = ("view", "decoy", "other")
    rows = [
        {
            name: {"tile": 3 * row + place, "name": f"image {row}", "look": look}
            | {"cosine": None if name == "view" else 0.9 - 0.25 * place}
            for place, name in enumerate(names)
        }
        for row in range(2)
    ]
    return {"reason": reason, "nearer": 60, "images": 100, "rows": rows, "sheets": [sheet(6)]}


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
    data = {
        "images": 100,
        "image_shape": [1, 8, 8],
        "data_fingerprint": "ab12",
        "classes": {"label": ["0", "1"]},
    }
    machine = {"platform": "Linux", "processor": "one", "cores": 2, "threads": 1, "processes": 1}
    told = {"time": "2026-01-01", "command": ["contrascope", "train"], "python": "3.11.7"}
    return {**told, "device": "cpu", "commit": "abc", "versions": versions, **machine, **data}


def evaluation():
    rows = [
        {"of": of, "name": name, "value": value, "low": value - 0.01, "high": value + 0.01, "n": 500}
        | {"protocol": "0123456789ab", "split": "test"}
        for of, value in (("trained encoder", 0.9), ("random encoder", 0.6), ("raw pixels", 0.7))
        for name in ("knn", "few_labels_1")
    ]
    return {"rows": rows, "protocol": {}}


def monitored(epoch):
    """What the monitor writes into a row after so many epochs."""
    learning = "not learning" if epoch == 1 else "learning"
    return {"sound": "sound", "learning": learning, "evidence": f"{20 * epoch} % of the images are found."}


def metrics(steps=8, probes=4, judged=monitored):
    rows = [
        {"kind": "step", "step": s, "epoch": s // 2, "loss": 5 - s / 10, "align": -6.0, "spread": 11 - s / 10}
        | {"lr": 0.1, "images_per_second": 100.0 + s}
        for s in range(1, steps + 1)
    ]
    probed = [
        {"kind": "probe", "step": 2 * e, "epoch": e}
        | judged(e)
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
        "step": 8,
        "data": "digits [train]",
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
        "strength": {"median": 0.5},
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
        "clean": {"singular_values": [4.0, 2.0, 0.0], "relative": 2, "absolute": 2, "effective": 1.9},
        "augmented": {"singular_values": [5.0, 1.0, 0.5], "relative": 3, "absolute": 3, "effective": 1.7},
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
        "thing": "run",
        "data": "digits",
        "settings": {"kind": "GeometrySettings", "images": 100},
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


def move(copy, probe="own", severity=None, of="trained encoder"):
    """One row of the robustness suite."""
    return {
        "of": of,
        "copy": copy,
        "severity": severity,
        "probe": probe,
        "accuracy": 0.8,
        "accuracy_low": 0.75,
        "accuracy_high": 0.85,
        "risk": 0.6,
        "risk_gap": 0.123,
        "gap_low": 0.1,
        "gap_high": 0.15,
        "bound": 2.5,
        "l_ar": 1.0,
        "l_ar_unit": 0.321,
        "n": 500,
        "chosen": 1.0,
    }


def robustness():
    """A record of the robustness suite: two copies, one corruption."""
    rows = [move("original"), move("crop"), move("crop", "original")]
    rows += [move("noise", "original", severity) for severity in (1, 5)]
    published = {
        "data": "CIFAR-10",
        "of": "SimCLR",
        "batch": 256,
        "accuracy": {"original": 86.76, "crop": 83.21},
    }
    return {
        "format": 1,
        "kind": "robustness",
        "protocol": "504f8afa3c4b",
        "encoder": "fc0e54d262cbeb30",
        "data": ["ab12", "cd34"],
        "source": "digits",
        "split": "test",
        "train_images": 1297,
        "settings": {},
        "rows": rows,
        "robustness": [{"of": "trained encoder", "l_ar": 2.0, "l_ar_unit": 0.435}],
        "published": [published],
    }


def transfer():
    """A record of the transfer suite: one set that was measured and one that was not."""
    score = {
        "of": "trained encoder",
        "mode": "linear",
        "metric": "top1",
        "value": 0.512,
        "low": 0.5,
        "high": 0.53,
    }
    score |= {"n": 100, "train": 200, "classes": 8, "std": None, "chosen": "C 3.16"}
    shapes = {"name": "shapes", "source": "shapes", "rows": [score], "metric": "top1", "split": "test"}
    pets = {"name": "pets", "source": "pets", "rows": [], "not_available": {"set": "no network here"}}
    means = {"trained encoder": {"mean": 0.512, "mean_is": "mean of the 1 available of 2", "rank": 1.0}}
    return {
        "format": 1,
        "kind": "transfer",
        "protocol": "8d6775d93c2a",
        "encoder": "fc0e54d262cbeb30",
        "settings": {},
        "sets": {"shapes@shape": shapes, "pets": pets},
        "asked": ["shapes@shape", "pets"],
        "summary": {"linear": {"networks": means, "published": {"MoCo": 72.49}}},
    }


def advice():
    """A record of an advice: one useful and one destructive operation, two policies."""
    survey = {"images": 1297, "sampled": 512, "channels": 1, "height": 8, "width": 8, "side": 8}
    survey |= {name: estimate(0.5) for name in ("coloured", "symmetric", "handed", "copies")}
    survey |= {"classes": 0, "hue_groups": 0, "hue_silhouette": 0.0, "groups": "", "known": None}
    survey |= {"description": "", "chance": 0.0}
    verdicts = [
        {"name": "crop", "word": "useful", "strength": 0.92, "reason": "17 % of the views find their image."},
        {"name": "flip", "word": "destructive", "strength": None, "reason": "Left and right differ."},
    ]
    ranked = {"name": "usual", "stage": 0, "score": estimate(0.9), "reason": "concentration 0.9"}
    return {
        "format": 1,
        "kind": "advice",
        "data": "digits [train]",
        "labels": None,
        "survey": survey,
        "facts": [],
        "verdicts": verdicts,
        "curves": {},
        "policies": [{"name": "usual", "ops": [{"kind": "RandomResizedCrop"}, {"kind": "ColorJitter"}]}],
        "plan": {"rounds": []},
        "proxies": {},
        "ranking": [{"place": 1, **ranked}, {"place": 2, **ranked, "name": "other"}],
        "complete": True,
        "policy": "advised.json",
        "settings": {},
    }


def parsed(kind, tree):
    """A record from its tree, as a page reads it."""
    from pathlib import Path

    from contrascope.records.typed import record_of

    return record_of(kind, tree, Path(kind.FILE)).record


def write_run(folder, **changed):
    """A folder with every record that a section shows; None leaves one out, a text is written as it stands."""
    folder.mkdir(parents=True)
    held = {
        "settings": settings(),
        "environment": environment(),
        "evaluation": evaluation(),
        "diagnosis": diagnosis(),
        "gallery": gallery(),
        "evaluation-augmented": robustness(),
        "evaluation-transfer": transfer(),
        "advice": advice(),
    }
    rows = changed.pop("metrics", metrics())
    for key, value in {**held, **changed}.items():
        if value is not None:
            (folder / f"{key}.json").write_text(value if isinstance(value, str) else json.dumps(value))
    if rows is not None:
        text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "metrics.jsonl").write_text(text)
    return folder
