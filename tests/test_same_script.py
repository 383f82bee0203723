"""A script written for PyTorch trains here with only its imports changed: the same losses, step by step, in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

IMPORTS = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import CosineAnnealingLR, CyclicLR, OneCycleLR, StepLR
from torch.utils.data import DataLoader, TensorDataset
"""

CNN = """
import numpy as np

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 8, kernel_size=3, stride=2)
        self.norm2 = nn.BatchNorm2d(8, momentum=0.2)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.norm1(self.conv1(x))))
        x = F.leaky_relu(self.norm2(self.conv2(x)), 0.1)
        x = F.adaptive_avg_pool2d(x, 1)
        return self.fc(x.flatten(1))

model = Net().double()
model.load_state_dict({key: torch.from_numpy(value) for key, value in np.load(weights).items()})
optimizer = optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.05)
scheduler = OneCycleLR(optimizer, max_lr=2e-2, total_steps=40)
criterion = nn.CrossEntropyLoss(label_smoothing=0.05)

rng = np.random.default_rng(0)
images, labels = torch.from_numpy(rng.random((96, 1, 8, 8))), torch.from_numpy(rng.integers(0, 10, 96))
losses, rates = [], []
for epoch in range(10):
    model.train()
    order = torch.from_numpy(rng.permutation(96))
    for i in range(0, 96, 24):
        batch = order[i : i + 24]
        optimizer.zero_grad()
        loss = criterion(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        rates.append(scheduler.get_last_lr()[0])
        scheduler.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        logits = model(images)
        losses.append(F.cross_entropy(logits, labels).item())
        losses.append((logits.argmax(dim=1) == labels).double().mean().item())
"""

MLP = """
import numpy as np

torch.set_default_dtype(torch.float64)
model = nn.Sequential(
    nn.Linear(20, 32), nn.Tanh(),
    nn.Linear(32, 32), nn.LayerNorm(32), nn.GELU(),
    nn.Linear(32, 16), nn.BatchNorm1d(16), nn.SiLU(),
    nn.Linear(16, 1),
)
model.load_state_dict({key: torch.from_numpy(value) for key, value in np.load(weights).items()})
groups = [
    {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 1e-2},
    {"params": [p for p in model.parameters() if p.ndim < 2], "lr": 5e-3},
]
optimizer = optim.Adam(groups, lr=2e-3, betas=(0.8, 0.99), amsgrad=True)
scheduler = StepLR(optimizer, step_size=3, gamma=0.5)

rng = np.random.default_rng(1)
x = rng.normal(size=(64, 20))
y = np.sin(x[:, :1]) + 0.1 * rng.normal(size=(64, 1))
dataset = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
losses, rates = [], []
for epoch in range(10):
    for inputs, targets in DataLoader(dataset, batch_size=16):
        prediction = model(inputs)
        penalty = sum((p ** 2).sum() for p in model.parameters())
        loss = F.mse_loss(prediction, targets) + 1e-4 * penalty
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        rates.append(optimizer.param_groups[1]["lr"])
    scheduler.step()
torch.set_default_dtype(torch.float32)
"""

EMBEDDING = """
import numpy as np

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(30, 12, padding_idx=0)
        self.position = nn.Parameter(torch.zeros(7, 12))
        self.conv = nn.Conv1d(12, 16, 3, padding=1)
        self.out = nn.Linear(16, 5)

    def forward(self, tokens):
        h = self.embed(tokens) + self.position
        h = torch.relu(self.conv(h.transpose(1, 2))).transpose(1, 2)
        h = h + h.mean(dim=1, keepdim=True)
        return self.out(h)

model = Tagger().to(torch.float64)
model.load_state_dict({key: torch.from_numpy(value) for key, value in np.load(weights).items()})
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)
scheduler = CosineAnnealingLR(optimizer, T_max=12, eta_min=1e-3)

rng = np.random.default_rng(2)
tokens = torch.from_numpy(rng.integers(0, 30, (48, 7)))
tags = tokens % 5
losses, rates = [], []
for epoch in range(12):
    order = rng.permutation(48)
    for i in range(0, 48, 16):
        batch = order[i : i + 16]
        logits = model(tokens[batch])
        log_p = F.log_softmax(logits, dim=-1)
        loss = F.nll_loss(log_p.reshape(-1, 5), tags[batch].reshape(-1), ignore_index=0)
        for parameter in model.parameters():
            parameter.grad = None
        loss.backward()
        norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm().item()
        optimizer.step()
        losses += [loss.item(), norm]
    rates.append(scheduler.get_last_lr()[0])
    scheduler.step()
"""

SHAPES = {
    "cnn": {
        "conv1.weight": (4, 1, 3, 3),
        **{f"norm1.{name}": (4,) for name in ("weight", "bias", "running_mean", "running_var")},
        "norm1.num_batches_tracked": (),
        "conv2.weight": (8, 4, 3, 3),
        "conv2.bias": (8,),
        **{f"norm2.{name}": (8,) for name in ("weight", "bias", "running_mean", "running_var")},
        "norm2.num_batches_tracked": (),
        "fc.weight": (10, 8),
        "fc.bias": (10,),
    },
    "mlp": {
        "0.weight": (32, 20),
        "0.bias": (32,),
        "2.weight": (32, 32),
        "2.bias": (32,),
        "3.weight": (32,),
        "3.bias": (32,),
        "5.weight": (16, 32),
        "5.bias": (16,),
        **{f"6.{name}": (16,) for name in ("weight", "bias", "running_mean", "running_var")},
        "6.num_batches_tracked": (),
        "8.weight": (1, 16),
        "8.bias": (1,),
    },
    "embedding": {
        "embed.weight": (30, 12),
        "position": (7, 12),
        "conv.weight": (16, 12, 3),
        "conv.bias": (16,),
        "out.weight": (5, 16),
        "out.bias": (5,),
    },
}
SCRIPTS = {"cnn": CNN, "mlp": MLP, "embedding": EMBEDDING}


def first_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    weights: dict[str, np.ndarray] = {}
    for key, shape in shapes.items():
        if key.endswith("num_batches_tracked"):
            weights[key] = np.array(0)
        elif key.endswith("running_var"):
            weights[key] = np.ones(shape)
        else:
            weights[key] = rng.normal(scale=0.3, size=shape)
    return weights


@pytest.mark.parametrize("name", SCRIPTS)
def test_only_the_imports_change(name, tmp_path):
    weights = tmp_path / "weights.npz"
    np.savez(weights, **first_weights(SHAPES[name]))
    script = IMPORTS + SCRIPTS[name]
    # `import retrograd as torch`, `import retrograd.nn as nn`, `from retrograd.utils.data import ...`
    ported = IMPORTS.replace("import torch\n", "import retrograd as torch\n")
    ported = (
        ported.replace("import torch.", "import retrograd.").replace("from torch.", "from retrograd.") + SCRIPTS[name]
    )
    assert "retrograd" in ported and "retrograd" not in script

    theirs: dict[str, object] = {"weights": weights, "__name__": "script"}
    ours: dict[str, object] = {"weights": weights, "__name__": "script"}
    exec(compile(script, "script_torch.py", "exec"), theirs)
    exec(compile(ported, "script_retrograd.py", "exec"), ours)

    assert type(ours["loss"]).__module__.startswith("retrograd")
    expected, got = np.array(theirs["losses"]), np.array(ours["losses"])
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ours["rates"], theirs["rates"], rtol=1e-12)
    assert expected[-1] != expected[0]

    state, reference = ours["model"].state_dict(), theirs["model"].state_dict()
    assert list(state) == list(reference)
    for key, value in reference.items():
        # the bias of a convolution before BatchNorm has rounding errors for a gradient, which Adam makes steps of
        np.testing.assert_allclose(state[key].numpy(), value.numpy(), rtol=1e-8, atol=1e-8, err_msg=key)


def test_the_example_trains_in_torch(tmp_path, capsys):
    """examples/digits.py with torch's imports (and .pt, whose format torch.load expects by the name)."""
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    source = (Path(__file__).parents[1] / "examples" / "digits.py").read_text(encoding="utf-8")
    source = source.replace("import retrograd as rg", "import torch as rg").replace(
        "import retrograd.", "import torch."
    )
    source = source.replace('safetensors"', 'pt"')
    script: dict[str, object] = {"__name__": "digits_in_torch"}
    exec(compile(source, "digits_in_torch.py", "exec"), script)
    assert script["main"](["--epochs", "1", "--out", str(tmp_path)]) == 0
    assert "test accuracy" in capsys.readouterr().out.splitlines()[-1]
    # The run is complete: resuming reads what torch wrote and reports the same.
    assert script["main"](["--resume", "--out", str(tmp_path)]) == 0
