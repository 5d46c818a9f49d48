"""The bench of batch normalisation, small."""

from bench import normalization as bench


def test_each_way_is_held_against_keras(capsys):
    bench.main(bench.Config(size=32, batch_size=4, classes=3, rounds=2))
    rows = {line[:24].strip(): line[24:].split() for line in capsys.readouterr().out.splitlines()}
    ways = {f"{way}, {precision}" for way in ("Keras's layers", "fused") for precision in ("float32", "bfloat16")}
    assert [len(rows[way]) for way in ways] == [4] * 4
