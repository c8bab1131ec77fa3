"""`kinowatt trace FOLDER`: a variant of a known family works in everything at once."""

import json

import pytest

pytest.importorskip("diffusers")

from kinowatt import predict
from kinowatt.app.tracing import trace_target
from kinowatt.errors import InputError
from kinowatt.facts.components import component
from kinowatt.facts.loading import SHIPPED


def checkpoint(tmp_path, **changes):
    folder = tmp_path / "ck" / "transformer"
    folder.mkdir(parents=True)
    config = {**component("wan2.1-t2v-1.3b-denoiser").config, **changes}
    config["_class_name"] = config.get("_class_name", "WanTransformer3DModel")
    (folder / "config.json").write_text(json.dumps(config))
    return tmp_path / "ck"


def test_a_variant_with_fewer_layers(user_facts) -> None:
    rows = trace_target(str(checkpoint(user_facts, num_layers=2)), "wan-short")
    assert [row["role"] for row in rows] == ["denoiser"]
    short, full = predict("wan-short"), predict("wan2.1-t2v-1.3b")
    assert short.flops["mlp"] == pytest.approx(full.flops["mlp"] * 2 / 30)
    assert short.flops["vae_decoder"] == full.flops["vae_decoder"]
    assert any(w["code"] == "model_not_in_profile" for w in short.warnings)


def test_what_cannot_be_traced(user_facts, tmp_path) -> None:
    with pytest.raises(InputError, match="unknown denoiser class 'Nothing'"):
        trace_target(str(checkpoint(tmp_path / "a", _class_name="Nothing")), None)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"no transformer/config\.json"):
        trace_target(str(empty), None)
    broken = checkpoint(tmp_path / "b")
    (broken / "transformer" / "config.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        trace_target(str(broken), None)
    with pytest.raises(InputError, match="no module to trace"):
        trace_target("wan2.1-t2v-1.3b-as-published", None)


def test_a_folder_needs_a_place(tmp_path) -> None:
    with pytest.raises(InputError, match="set KINOWATT_FACTS"):
        trace_target(str(checkpoint(tmp_path)), None)


def test_tracing_again_gives_the_committed_table(user_facts) -> None:
    """A new diffusers that changes a model's operators fails here."""
    from kinowatt.app.tracing import _trace

    row = _trace("sd-vae.float16", "vae_decoder", user_facts)
    again = json.loads((user_facts / "operators" / "sd-vae.float16.json").read_text())
    shipped = json.loads((SHIPPED / "operators" / "sd-vae.float16.json").read_text())
    assert row["class"] == "AutoencoderKL"
    assert again["cases"] == shipped["cases"]
    assert again["memory"] == shipped["memory"]
