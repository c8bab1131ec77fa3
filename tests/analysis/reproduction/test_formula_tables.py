"""Tables 1, 5, 6 and 7: the paper's formulas against the checkpoint."""

import pytest


def test_table1(tables) -> None:
    rows = {row["operator"]: row for row in tables["table1"].rows}
    total = rows["total"]
    assert total["published_flops"] == pytest.approx(1.8362e17, rel=1e-4)
    assert total["corrected_flops"] == pytest.approx(1.2563e17, rel=1e-4)
    assert total["published_over_corrected"] == pytest.approx(1.462, abs=5e-4)
    for version in ("published_flops", "recomputed_flops", "corrected_flops"):
        parts = sum(row[version] for name, row in rows.items() if name != "total")
        assert total[version] == pytest.approx(parts, rel=1e-12)
    assert rows["vae_attention"]["published_over_corrected"] == pytest.approx(1, rel=1e-12)
    assert rows["mlp"]["corrected_flops"] == 100 * 30 * 4 * 75600 * 1536 * 8960


def test_table5(tables) -> None:
    rows = {row["symbol"]: row for row in tables["table5"].rows}
    assert (rows["N"]["published"], rows["N"]["corrected"]) == (32, 30)
    assert (rows["d"]["published"], rows["d"]["corrected"]) == (2048, 1536)
    text = rows["d_text"]
    assert (text["published"], text["recomputed"], text["corrected"]) == (4096, 1024, 4096)
    assert rows["f_text"]["recomputed"] == 4
    assert rows["Θ"]["published"] / rows["Θ"]["recomputed"] == pytest.approx(1000)
    for symbol in ("g", "v_t", "v_s", "p_h, p_w", "m", "p_text", "L_text", "d_τ", "C*"):
        assert rows[symbol]["published"] == rows[symbol]["corrected"], symbol
    convolutions = rows["N_dec,conv"]
    assert convolutions["corrected"] == 39  # 33 in 3D, 3 in 2D, 2 of the attention, quantisation
    assert rows["μ"]["recomputed"] == pytest.approx(0.4559, abs=1e-4)


def test_table6(tables) -> None:
    *layers, total = tables["table6"].rows
    assert total["published_flops"] == pytest.approx(3.9706e14, rel=1e-4)
    assert total["recomputed_flops"] == pytest.approx(3.9558e14, rel=1e-4)
    assert total["corrected_flops"] == pytest.approx(6.3922e14, rel=1e-4)
    left_out = next(row for row in layers if row["layer"] == "last stage")
    assert left_out["published_flops"] == 0
    assert left_out["corrected_flops"] == pytest.approx(2.2290e14, rel=1e-4)
    same = {"D0", "D3 blocks", "up in space", "head", "middle attention"}
    for row in layers:
        if row["layer"] in same:
            assert row["corrected_flops"] == pytest.approx(row["published_flops"], rel=1e-12)


def test_table7(tables) -> None:
    rows = {row["accelerator"]: row for row in tables["table7"].rows}
    h100, l4 = rows["NVIDIA H100 SXM"], rows["NVIDIA L4"]
    assert (h100["published_attention"], h100["published_mlp"]) == (295, 590)
    assert h100["recomputed_mlp"] == pytest.approx(923.1, abs=0.1)
    assert h100["corrected_attention"] == pytest.approx(590.7, abs=0.1)
    assert (l4["published_beta"], l4["recomputed_beta"]) == (605, pytest.approx(403.3, abs=0.1))
    assert sum(row["published_beta"] is not None for row in rows.values()) == 7
