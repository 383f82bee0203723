"""Weights from PyTorch: three models written once and built in both libraries, trained side by side from one checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch", reason="the models are compared with PyTorch's")

TOLERANCE = 1e-10


# ---------------------------------------------------------------- the models, for either library L
def resnet18(L, width):
    """ResNet-18 (He et al., 2015) with torchvision's names; width 64 is the published one."""
    nn = L.nn

    class Block(nn.Module):
        def __init__(self, inside, outside, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outside)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outside)
            self.downsample = None
            if stride != 1 or inside != outside:
                self.downsample = nn.Sequential(
                    nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
                )

        def forward(self, x):
            identity = x if self.downsample is None else self.downsample(x)
            out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            out += identity
            return self.relu(out)

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            inside = width
            for i, stride in enumerate((1, 2, 2, 2)):
                outside = width * 2**i
                blocks = nn.Sequential(Block(inside, outside, stride), Block(outside, outside, 1))
                setattr(self, f"layer{i + 1}", blocks)
                inside = outside
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(inside, 10)
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

        def forward(self, x):
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(L.flatten(self.avgpool(x), 1))

    return ResNet()


def gpt(L, layers=2, width=32, heads=4, vocabulary=50, context=16):
    """GPT-2 (Radford et al., 2019): pre-norm blocks, learned positions, output tied to the embedding."""
    nn, F = L.nn, L.nn.functional

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.c_attn = nn.Linear(width, 3 * width)
            self.c_proj = nn.Linear(width, width)

        def forward(self, x):
            n, t, _ = x.shape
            q, k, v = self.c_attn(x).split(width, dim=2)  # each (n, t, width)
            q, k, v = (y.view(n, t, heads, width // heads).transpose(1, 2) for y in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (n, heads, t, width // heads)
            return self.c_proj(y.transpose(1, 2).contiguous().view(n, t, width))

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1 = nn.LayerNorm(width)
            self.attn = Attention()
            self.ln_2 = nn.LayerNorm(width)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
            )

        def forward(self, x):
            x = x + self.attn(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte = nn.Embedding(vocabulary, width)
            self.wpe = nn.Embedding(context, width)
            self.h = nn.ModuleList([Block() for _ in range(layers)])
            self.ln_f = nn.LayerNorm(width)
            self.lm_head = nn.Linear(width, vocabulary, bias=False)
            self.wte.weight = self.lm_head.weight

        def forward(self, tokens):
            x = self.wte(tokens) + self.wpe(L.arange(tokens.shape[1]))
            for block in self.h:
                x = block(x)
            return self.lm_head(self.ln_f(x)).flatten(0, 1)

    return GPT()


def tagger(L, vocabulary=30, width=8, hidden=12, tags=5):
    """A two-layer bidirectional LSTM over sequences of different lengths."""
    nn = L.nn

    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(vocabulary, width, padding_idx=0)
            self.lstm = nn.LSTM(width, hidden, num_layers=2, bidirectional=True, batch_first=True)
            self.out = nn.Linear(2 * hidden, tags)

        def forward(self, tokens):
            lengths = (tokens != 0).sum(1)
            packed = nn.utils.rnn.pack_padded_sequence(self.embed(tokens), lengths, True, enforce_sorted=False)
            states, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
            return self.out(states).flatten(0, 1)

    return Tagger()


def images(rng):
    return rng.normal(size=(2, 3, 33, 33)), rng.integers(0, 10, 2)


def texts(rng):
    return rng.integers(0, 50, (2, 12)), rng.integers(0, 50, 24)


def sentences(rng):
    tokens = rng.integers(1, 30, (4, 7))
    for row, length in zip(tokens, (7, 3, 5, 1), strict=True):
        row[length:] = 0
    return tokens, rng.integers(0, 5, 28)


MODELS = {
    "resnet18": (lambda L: resnet18(L, 8), images),
    "gpt": (gpt, texts),
    "lstm": (tagger, sentences),
}


# ---------------------------------------------------------------- from a file into our model
@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """PyTorch's threads fight with those of the test run over small tensors."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def saved(model, kind, path):
    """The state_dict of PyTorch's model in a file."""
    if kind == "safetensors":
        save_file = pytest.importorskip("safetensors.torch", reason="writes the safetensors file").save_file
        # The format knows no ties: PyTorch's writer asks for separate tensors.
        save_file({k: v.detach().clone() for k, v in model.state_dict().items()}, path)
    else:
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=kind == "pt")
    return path


def pair(name, kind, tmp_path):
    """PyTorch's model, and ours with its weights."""
    make, _ = MODELS[name]
    torch.manual_seed(0)
    rg.manual_seed(1)
    theirs, ours = make(torch).double(), make(rg).double()
    report = ours.load_state_dict(rg.load(saved(theirs, kind, tmp_path / f"model.{kind}")))
    assert str(report) == "<All keys matched successfully>" and len(report.matched) == len(theirs.state_dict())
    return theirs, ours


def close(ours, theirs, what):
    __tracebackhide__ = True
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE, err_msg=what
    )


def compare_training(theirs, ours, data, optimizer, steps=3):
    """Logits, loss, every gradient, and every parameter and buffer after each step."""
    x, target = data(np.random.default_rng(0))
    if optimizer == "sgd":
        options = {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4}
        theirs_step, ours_step = (
            torch.optim.SGD(theirs.parameters(), **options),
            rg.optim.SGD(ours.parameters(), **options),
        )
    else:
        options = {"lr": 1e-3, "betas": (0.9, 0.95), "weight_decay": 0.1}
        theirs_step = torch.optim.AdamW(theirs.parameters(), **options)
        ours_step = rg.optim.AdamW(ours.parameters(), **options)
    for step in range(steps):
        a, b = theirs(torch.tensor(x)), ours(rg.tensor(x))
        close(b, a, f"logits, step {step}")
        loss_a = torch.nn.functional.cross_entropy(a, torch.tensor(target))
        loss_b = rg.nn.functional.cross_entropy(b, rg.tensor(target))
        close(loss_b, loss_a, f"loss, step {step}")
        theirs_step.zero_grad()
        ours_step.zero_grad()
        loss_a.backward()
        loss_b.backward()
        grads = dict(ours.named_parameters())
        assert list(grads) == [name for name, _ in theirs.named_parameters()]
        for name, p in theirs.named_parameters():
            close(grads[name].grad, p.grad, f"gradient of {name}, step {step}")
        theirs_step.step()
        ours_step.step()
        state = ours.state_dict()
        for name, value in theirs.state_dict().items():
            close(state[name], value, f"{name} after step {step}")
    theirs.eval()
    ours.eval()
    close(ours(rg.tensor(x)), theirs(torch.tensor(x)), "logits in eval mode")


@pytest.mark.parametrize("kind,optimizer", [("pt", "sgd"), ("pt", "adamw"), ("safetensors", "sgd")])
@pytest.mark.parametrize("name", list(MODELS))
def test_training_goes_on_as_in_torch(name, kind, optimizer, tmp_path):
    theirs, ours = pair(name, kind, tmp_path)
    compare_training(theirs, ours, MODELS[name][1], optimizer)


@pytest.mark.parametrize("name", list(MODELS))
def test_old_files_give_the_same_weights(name, tmp_path):
    theirs, ours = pair(name, "legacy", tmp_path)
    for key, value in theirs.state_dict().items():
        close(ours.state_dict()[key], value, key)


def test_ties_survive_the_file(tmp_path):
    """A tied model's checkpoint holds the weight under both names, as one tensor."""
    theirs, ours = pair("gpt", "pt", tmp_path)
    state = rg.load(tmp_path / "model.pt")
    assert np.shares_memory(state["wte.weight"].numpy(), state["lm_head.weight"].numpy())
    assert ours.wte.weight is ours.lm_head.weight
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_half_precision_checkpoints_load_into_any_precision(tmp_path):
    theirs = gpt(torch).bfloat16()
    ours = gpt(rg)
    ours.load_state_dict(rg.load(saved(theirs, "pt", tmp_path / "m.pt")))
    assert ours.ln_f.weight.dtype is rg.float32
    assert ours.wpe.weight.tolist() == theirs.wpe.weight.float().tolist()
    ours.load_state_dict(rg.load(tmp_path / "m.pt"), assign=True)
    assert ours.ln_f.weight.dtype is rg.bfloat16


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_a_run_of_torch_is_continued_from_its_checkpoint(optimizer, tmp_path):
    """Model and optimizer in the middle of a run: the next steps are PyTorch's."""
    theirs, ours = pair("lstm", "pt", tmp_path)
    x, target = sentences(np.random.default_rng(1))
    options = {"lr": 0.1, "momentum": 0.9} if optimizer == "SGD" else {"lr": 0.01, "amsgrad": True}
    first = getattr(torch.optim, optimizer)(theirs.parameters(), **options)

    def step(L, model, optimizer):
        optimizer.zero_grad()
        L.nn.functional.cross_entropy(model(L.tensor(x)), L.tensor(target)).backward()
        optimizer.step()

    for _ in range(3):
        step(torch, theirs, first)
    torch.save({"model": theirs.state_dict(), "optimizer": first.state_dict(), "epoch": 3}, tmp_path / "run.pt")
    run = rg.load(tmp_path / "run.pt")
    second = getattr(rg.optim, optimizer)(ours.parameters(), lr=1.0)
    ours.load_state_dict(run["model"])
    second.load_state_dict(run["optimizer"])
    assert run["epoch"] == 3
    for _ in range(3):
        step(torch, theirs, first)
        step(rg, ours, second)
    for key, value in theirs.state_dict().items():
        close(ours.state_dict()[key], value, key)


@pytest.mark.soak
def test_the_published_width_of_resnet18(tmp_path):
    torch.manual_seed(0)
    theirs, ours = resnet18(torch, 64).double(), resnet18(rg, 64).double()
    assert sum(p.numel() for p in ours.parameters()) == 11_181_642
    ours.load_state_dict(rg.load(saved(theirs, "pt", tmp_path / "m.pt")))
    compare_training(theirs, ours, images, "sgd")
