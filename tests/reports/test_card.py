import json

import pytest
from report_records import IMAGE, SCRIPT, answer, diagnosis, environment, evaluation, parsed, settings

from contrascope.records.diagnosis import DiagnosisRecord
from contrascope.records.kinds import EnvironmentRecord, EvaluationRecord
from contrascope.reports.card import ExportedEncoder, data_name, escaped, model_card
from contrascope.reports.load import RunRecords, load


def exported(**changed):
    known = {
        "library": "timm",
        "code": "import timm",
        "remark": "Replace the stem.",
        "checked": "Checked with timm: 1e-07.",
        "step": 8,
        "newest": True,
        "encoder": "resnet18",
        "channels": 3,
        "size": 32,
        "resize": None,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.25, 0.25),
        "dim": 512,
        "normalises": False,
    }
    return ExportedEncoder(**{**known, **changed})


def front(card):
    yaml = pytest.importorskip("yaml")
    _, text, body = card.split("---\n", 2)
    return yaml.safe_load(text), body


def test_the_card_says_the_three_answers_scores_protocol_and_how_to_load(make_run):
    data, body = front(model_card(load(make_run()), exported()))
    assert data["library_name"] == "timm"
    assert data["pipeline_tag"] == "image-feature-extraction"
    assert "simclr" in data["tags"]
    assert "**Is it sound? ✓ sound**" in body
    assert "**Is it learning? ✓ learning**\n\n- A view finds its image." in body
    assert "**Is it useful for your classes? ? cannot be told without labels**" in body
    assert "Measured without labels on digits." in body
    assert "kNN: 30.0 points above the random encoder, 20.0 above raw pixels" in body
    assert "90.0 \\[89.0, 91.0\\]" in body
    assert "protocol 0123456789ab" in body
    assert "```python\nimport timm\n```" in body
    assert "| method.temperature | 0.5 |" in body
    assert "| policy.kind" not in body
    assert "Checked with timm" in body


def test_the_hub_reads_the_cards_scores(make_run):
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard(model_card(load(make_run()), exported())).data
    found = {result.metric_name: result for result in data.eval_results}
    assert found["kNN"].metric_value == pytest.approx(0.9)
    assert found["kNN"].dataset_name == "digits"
    assert found["kNN"].metric_args["protocol"] == "0123456789ab"
    assert data.model_name == "run"


@pytest.mark.parametrize("name", [SCRIPT, IMAGE, "a\n---\nlicense: mit", "`|[x](javascript:1)", "$x$ # *b*"])
def test_hostile_names_stay_text(name):
    tree = settings()
    tree["data"]["source"] = tree["method"]["kind"] = tree["policy"]["name"] = name
    found = {**diagnosis(), "data": name}
    found["verdict"]["sound"] = answer(name, name, [name], name, name)
    run = RunRecords(
        path="r",
        name=name,
        settings=tree,
        diagnosis=parsed(DiagnosisRecord, found),
        evaluation=parsed(EvaluationRecord, evaluation()),
        environment=parsed(EnvironmentRecord, environment()),
    )
    data, body = front(model_card(run, exported(encoder=name)))
    assert set(data) == {"library_name", "pipeline_tag", "tags", "model-index"}
    assert data["model-index"][0]["name"] == name
    assert "<script" not in body
    assert "<img" not in body
    assert "\nlicense:" not in body
    assert "[x](" not in body.replace("\\[x\\](", "")


def test_a_card_without_records_says_what_is_not_known():
    data, body = front(model_card(RunRecords(path="r", name="r"), exported(step=1234)))
    assert "model-index" not in data
    assert "not diagnosed" in body
    assert "Not measured: that needs labels." in body
    assert "weights of step 1,234" in body


@pytest.mark.parametrize(
    ("kind", "how", "tag"),
    [
        ("SimCLRSettings", "without labels by SimCLR", "self-supervised-learning"),
        ("SupervisedContrastSettings", "with labels by SupervisedContrast", "supervised-learning"),
    ],
)
def test_a_card_does_not_say_that_there_were_no_labels_where_there_were(kind, how, tag):
    run = RunRecords(path="r", name="r", settings={"method": {"kind": kind}})
    data, body = front(model_card(run, exported()))
    assert f"trained {how} on" in body
    assert data["tags"][0] == tag


def test_damaged_records_cost_their_part_only(make_run):
    told = {"sound": answer("sound") | {"evidence": 3}, "learning": 7}
    run = load(make_run(diagnosis={"verdict": told}, evaluation={"rows": 7}))
    _, body = front(model_card(run, exported()))
    assert "**Is it sound? ✓ sound**" in body
    assert "**Is it learning? – not diagnosed**" in body
    assert "Not measured" in body


def test_scores_and_verdict_of_another_checkpoint_are_named_as_such(make_run):
    found = {**diagnosis(), "data": "/home/me/secret/birds [train], policy digits, step 99; 10 of 10 images"}
    data, body = front(model_card(load(make_run(diagnosis=found)), exported(newest=False)))
    assert "model-index" not in data
    assert "not of the one that is exported here" in body
    assert "These answers are of step 99, the weights are of step 8." in body
    assert "secret" not in body
    assert "birds \\[train\\]" in body


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("digits", "digits"),
        ("org/set", "org/set"),
        ("/home/me/birds/", "birds"),
        ("~/x/birds", "birds"),
        ("a/b/birds", "birds"),
        ("C:\\me\\birds", "birds"),
        (None, "unknown"),
    ],
)
def test_a_path_of_data_is_cut_to_its_last_part(source, name):
    assert data_name(RunRecords(path="r", name="r", settings={"data": {"source": source}})) == name


def test_text_is_one_line_without_markup():
    assert escaped("a\n# b\t<i>&") == "a \\# b &lt;i&gt;&amp;"
    assert json.loads(json.dumps(escaped(None))) == "None"
