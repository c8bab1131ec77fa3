"""What a command cannot do: one line that says why, exit code 2, nothing shown, nothing written."""

import json
import shlex
from pathlib import Path

import pytest

from kinowatt.app.cli import main
from store_rows import row

# A command line, and what its line of refusal says
REFUSED = [
    ("audit nowhere.csv", "nowhere.csv: No such file"),
    ("audit mine.csv", "no column of seconds, energy or power is recognised"),
    ("audit mine.csv --map latency=took", "unknown quantity 'latency' (did you mean"),
    ("audit mine.csv --map latency_s=tok", "unknown column 'tok' (did you mean 'took'?)"),
    ("audit mine.csv --map latency_s=took:W", "unknown unit of latency_s 'W'"),
    ("audit mine.csv --map latency_s=took --gpu h1000", "unknown GPU 'h1000'"),
    ("audit mine.csv --map latency_s=took --model wan3", "unknown model 'wan3'"),
    ("audit mine.csv --map latency_s=took --profile paper", "needs rows of one GPU"),
    ("budget --max-latency-s -1", "max_latency_s must be above 0"),
    ("budget --gpu h1000", "did you mean 'h100'"),
    ("budget --price abc", "--price takes USD or GPU=USD"),
    ("budget --price 1 --price 2", "--price GPU=USD"),
    ("budget --confidence ninety", "one of 50, 80, 95"),
    ("budget --min-height 0p", "above 0"),
    ("budget --scores nothere.csv", "nothere.csv"),
    ("budget --max-latency-s soon", "not a valid float"),
    ("calibrate --microbench nothere.json", "nothere.json"),
    (
        "calibrate --microbench data/microbench/h100-sxm.json -o profile.toml",
        "a profile is a .json file",
    ),
    ("calibrate --microbench data/measurements/h100-sxm.jsonl", "h100-sxm.jsonl"),
    (
        "calibrate --microbench data/microbench/h100-sxm.json --rows data/memory/h100-sxm.jsonl",
        "h100-sxm.jsonl:1",
    ),
    ("calibrate", "microbench"),
    ("card nothing", "unknown model"),
    ("card wan-1.3b --style stars", "one of: model-card, energy-score, sci"),
    ("card wan-1.3b --style sci", "SCI needs grid"),
    ("card wan-1.3b --row 2", "--row is of a file of rows"),
    ("card data/measurements/h100-sxm.jsonl", "say which by --row 1 to"),
    ("card data/measurements/h100-sxm.jsonl --row 0", "has rows 1 to"),
    ("card data/measurements/h100-sxm.jsonl --row 999", "not 999"),
    ("card data/measurements/h100-sxm.jsonl --row 1 --steps 3", "a measured row has its own"),
    ("card data/measurements/h100-sxm.jsonl --row 1 --gpu l40s", "a measured row has its own"),
    ("card nothere.jsonl", "nothere.jsonl"),
    ("top --interval 0", "--interval must be from 0.1 to 3600 s"),
    ("top --interval nan", "--interval must be from"),
    ("top --price -1", "price must be from 0"),
    ("top --grid ATLANTIS", "unknown grid"),
    ("store list none.db", "no such store"),
    ("store list rows.jsonl --where modle=x", "did you mean 'model'"),
    ("store list rows.jsonl --limit 0", "limit must be from 1"),
    ("store list rows.jsonl --after x", "no cursor"),
    ("store show rows.jsonl 99", "no row '99'"),
    ("store import rows.db none.jsonl", "No such file"),
    ("store import rows.jsonl rows.jsonl", "is not a store"),
    ("store migrate none.db", "no such store"),
    ("store list postgresql://u@127.0.0.1:9/x", "cannot be reached"),
    ("export rows.jsonl --to cvs -o x", "did you mean 'csv'"),
    ("export rows.jsonl -o x", "which format?"),
    ("export rows.jsonl --to parquet", "give -o PATH"),
    ("export rows.jsonl --to csv --where 'steps>999'", "no rows are left"),
    ("export rows.jsonl --to codecarbon --grid Frnace", "France"),
    ("sweep", "PLAN is missing: a .yaml file, or one of paper-as-claimed"),
    ("sweep quikc --dry-run", "unknown plan 'quikc' (did you mean 'quick'?)"),
    ("sweep no.yaml", "no.yaml: No such file or directory"),
    ("sweep p.yaml", "no GPU to measure on: "),
    ("sweep smoke --executor rya", "unknown executor 'rya' (did you mean 'ray'?)"),
    ("sweep smoke --gpus 0", "Invalid value for '--gpus'"),
    ("sweep smoke --store /proc/rows.db", "the store cannot be made here"),
    ("sweep smoke --store .", "is a folder; a store is a file"),
    ("sweep smoke --store p.yaml", "is not a store"),
    ("sweep smoke --store mysql://x", "unknown database 'mysql'"),
    ("sweep smoke --store postgresql+psycopg://nobody@127.0.0.1:9/x", "cannot be reached"),
    ("sweep smoke --dry-run --grid Frnace", "unknown grid 'Frnace'"),
    ("sweep smoke --dry-run --gpu h1000", "unknown GPU 'h1000'"),
    ("sweep p.yaml --budget-s 9", "--budget-s needs --adaptive"),
    ("sweep p.yaml --adaptive", "--adaptive needs --budget-s, the GPU-seconds"),
    ("sweep p.yaml --adaptive --budget-s 0", "more than 0 GPU-seconds"),
    ("sweep p.yaml --adaptive --budget-s 9 --microbench no.json", "no.json: No such file"),
    ("sweep p.yaml --adaptive --budget-s 9 --gpu l40s", "no microbench of l40s comes"),
    ("predict wan-1.3", "unknown model"),
    ("predict wan-1.3b --gpu h1000", "did you mean 'h100"),
    ("predict wan-1.3b --height 481", "nearest: 480"),
    ("predict wan-1.3b --height tall", "is not a valid float"),
    ("predict wan-1.3b --what-if fp8", "KEY=VALUE"),
    ("predict wan-1.3b --host epyc", "no host model"),
    ("predict wan-1.3b --embodied", "needs grid or intensity"),
    ("predict wan-1.3b --grid FR --intensity 3", "either grid or intensity"),
    ("predict wan-1.3b --pue 0.5", "pue must be from 1"),
    ("predict", "Missing argument"),
    ("pedict", "did you mean 'predict'"),
    ("scaling wan-1.3b --values 1,x", "numbers separated by commas"),
    ("roofline --dtype float12", "unknown dtype"),
    ("trace nothing-here", "unknown model"),
    ("serve --host 0.0.0.0", "needs an API key"),
    ("serve --api-key-file no-such-file", "No such file"),
    ("serve --port 70000", "70000"),
    ("microbench --budget 0", "no device 'cuda' here"),
]


@pytest.fixture
def folder(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One file of each kind that commands read, and the committed data."""
    (tmp_path / "data").symlink_to(root / "data")
    (tmp_path / "mine.csv").write_text("what,took,drew\na,1.5,0.0172\nb,3.1,0.0355\n", "utf-8")
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps(row(n)) + "\n" for n in range(4)), "utf-8"
    )
    plan = "plan: p\nblocks: [{models: [wan-1.3b], grid: {frames: [78, 81, 83]}}]\n"
    (tmp_path / "p.yaml").write_text(plan, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KINOWATT_API_KEY", raising=False)
    return tmp_path


@pytest.mark.parametrize(("line", "message"), REFUSED, ids=[line for line, _ in REFUSED])
def test_it_is_one_line_exit_2_and_nothing_written(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    before = {path.name for path in folder.iterdir()}
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(line))
    shown = capsys.readouterr()
    assert ended.value.code == 2
    assert shown.out == ""
    assert shown.err.startswith("kinowatt: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert {path.name for path in folder.iterdir()} == before
