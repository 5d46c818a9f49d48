"""`precision = auto`: bfloat16 where the device computes in it, and nowhere else."""

import pytest

import train
from training import devices


@pytest.mark.parametrize(
    ("gpu", "capability", "flags", "policy"),
    [
        (True, 8.0, "", "mixed_bfloat16"),
        (True, 9.0, "", "mixed_bfloat16"),
        (True, 7.5, "avx512_bf16", "float32"),  # the processor's arithmetic does not help the GPU
        (False, 0.0, "avx512_bf16", "mixed_bfloat16"),
        (False, 0.0, "amx_bf16", "mixed_bfloat16"),
        (False, 0.0, "avx2", "float32"),
    ],
)
def test_auto_is_bfloat16_where_the_device_computes_in_it(gpu, capability, flags, policy, monkeypatch, tmp_path):
    (tmp_path / "cpuinfo").write_text(f"flags : fpu {flags}\n", encoding="utf-8")
    monkeypatch.setattr(devices, "PROCESSOR", tmp_path / "cpuinfo")
    monkeypatch.setattr(devices, "has_gpu", lambda: gpu)
    monkeypatch.setattr(devices, "_compute_capability", lambda: capability)
    monkeypatch.setattr(devices.keras.backend, "backend", lambda: "tensorflow")
    assert devices.dtype_policy("auto") == policy
    assert not devices.messages(train.Config())
    assert devices.policy_of(train.Config()) == policy
    assert devices.policy_of(train.Config(model="resnet50", trainable="head")) == "float32"
