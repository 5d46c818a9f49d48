"""The bench of the losses, small."""

import losses
from bench import losses as bench


def test_every_loss_takes_steps_beside_bce(capsys):
    bench.main(bench.Config(size=16, batch_size=4, classes=3, rounds=2))
    rows = {line[:24].strip() for line in capsys.readouterr().out.splitlines()}
    assert {*losses.LOSSES, "bce + 0.5 lovasz", "bce again"} <= rows
