"""The comparison of waiting threads: each setting has its own process and environment, and ratios are of one round."""

from __future__ import annotations

from benchmarks.busy import __main__ as program


def test_a_side_has_its_own_setting_and_nothing_of_the_user_s():
    found = {"PATH": "/bin", "OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "5", "KMP_BLOCKTIME": "3"}
    assert program.environment(found, "default") == {"PATH": "/bin"}
    assert program.environment(found, "1000") == {"PATH": "/bin", "GOMP_SPINCOUNT": "1000"}
    assert program.environment(found, "passive") == {"PATH": "/bin", "OMP_WAIT_POLICY": "PASSIVE"}


def test_the_table_divides_turns_of_the_same_round():
    quiet = {"default": [100.0, 50.0, 80.0], "10000": [100.0, 100.0, 80.0]}
    busy = {"default": [10.0, 20.0, 40.0], "10000": [30.0, 20.0, 80.0]}
    lines = program.table(quiet, busy, 2, "A machine").splitlines()
    (row,) = [line for line in lines if "10,000" in line]
    assert row.endswith("| 100 (80 to 100) | 1.00 (1.00 to 2.00) | 30 (20 to 80) | 2.00 (1.00 to 3.00) |")


def test_a_run_has_every_setting_alone_and_beside_others(tmp_path, capsys):
    arguments = ("--model=cnn:width=4", "--image-size=16", "--batch-size=8", "--rounds=1", "--steps=1", "--beside=1")
    program.main([*arguments, "--spins=default", f"--out={tmp_path / 'busy.md'}"])
    printed = capsys.readouterr().out
    assert printed.strip() == (tmp_path / "busy.md").read_text().strip()
    assert "| not set |" in printed
