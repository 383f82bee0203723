"""The networks of the suite in PyTorch's API: torch and retrograd run this same text.

Each function takes the library (see workloads_torch_api.py), the options of the optimizer and the sizes, and returns
the model, its optimizer and the loss of a forward pass, all in the ordinary way of a training script.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import workloads_data as data

Made = tuple[Any, Any, Callable[[], Any], tuple[Any, ...]]  # model, optimizer, loss, inputs of the model


def with_weights(library: Any, model: Any) -> Any:
    """The model on its device with the weights that every library starts from."""
    state = model.state_dict()
    for name, value in state.items():
        if value.ndim > 1 or "bias" in name:
            state[name] = library.tensor(data.weight(name, tuple(value.shape)))
    model.load_state_dict(state)
    return library.place(model)


def lenet(
    library: Any, options: dict[str, bool], batch: int, channels: list[int], hidden: list[int], side: int
) -> Made:
    nn, (a, b), (first, second) = library.module.nn, channels, hidden
    model = nn.Sequential(
        nn.Conv2d(1, a, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(a, b, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(data.flat(channels, side), first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 10),
    )  # fmt: skip
    return _classifier(library, "Adam", {"lr": 1e-3, **options}, model, *data.classes(batch, 1, side, side))


def _classifier(library: Any, name: str, options: dict[str, Any], model: Any, x: Any, y: Any) -> Made:
    model = with_weights(library, model)
    optimizer = getattr(library.module.optim, name)(model.parameters(), **options)
    x, y, cross_entropy = library.tensor(x), library.tensor(y), library.module.nn.functional.cross_entropy
    return model, optimizer, lambda: cross_entropy(model(x), y), (x,)


def resnet(library: Any, options: dict[str, bool], batch: int, channels: list[int], side: int) -> Made:
    nn, F = library.module.nn, library.module.nn.functional

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
            self.norm2 = nn.BatchNorm2d(after)
            self.shortcut = nn.Identity()
            if before != after:
                self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

        def forward(self, x: Any) -> Any:
            h = F.relu(self.norm1(self.conv1(x)))
            return F.relu(self.norm2(self.conv2(h)) + self.shortcut(x))

    a = channels[0]
    model = nn.Sequential(
        nn.Conv2d(3, a, 3, padding=1, bias=False), nn.BatchNorm2d(a), nn.ReLU(), Block(a, a, 1),
        *[Block(before, after, 2) for before, after in pairwise(channels)],
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], 10),
    )  # fmt: skip
    return _classifier(
        library, "SGD", {"lr": 0.01, "momentum": 0.9, **options}, model, *data.classes(batch, 3, side, side)
    )


def rnn(
    library: Any, options: dict[str, bool], batch: int, length: int, hidden: int, layers: int, vocabulary: int
) -> Made:
    nn = library.module.nn

    class CharRNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(vocabulary, hidden)
            self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True)
            self.head = nn.Linear(hidden, vocabulary)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(self.embedding(x))[0]).flatten(0, 1)

    x, y = data.text(batch, length, vocabulary)
    return _classifier(library, "Adam", {"lr": 2e-3, **options}, CharRNN(), x, y.ravel())


def self_attention(library: Any, width: int, heads: int) -> Any:
    """Causal self-attention as GPT has it: one product for queries, keys and values."""
    nn, F = library.module.nn, library.module.nn.functional

    class SelfAttention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(width, 3 * width)
            self.out = nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            batch, length = x.shape[:2]
            q, k, v = (
                part.view(batch, length, heads, width // heads).transpose(1, 2)
                for part in self.qkv(x).split(width, dim=2)
            )
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out(y.transpose(1, 2).reshape(batch, length, width))

    return SelfAttention()


def gpt(
    library: Any,
    options: dict[str, bool],
    batch: int,
    length: int,
    width: int,
    heads: int,
    layers: int,
    vocabulary: int,
) -> Made:
    rg, nn = library.module, library.module.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(width)
            self.attention = self_attention(library, width, heads)
            self.norm2 = nn.LayerNorm(width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.positions = nn.Embedding(length, width)
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, vocabulary, bias=False)

        def forward(self, x: Any) -> Any:
            h = self.tokens(x) + self.positions(rg.arange(x.shape[1], device=x.device))
            for block in self.blocks:
                h = block(h)
            return self.head(self.norm(h)).flatten(0, 1)

    x, y = data.text(batch, length, vocabulary)
    return _classifier(library, "AdamW", {"lr": 3e-4, **options}, GPT(), x, y.ravel())


def _regression(library: Any, options: dict[str, bool], model: Any, *shape: int) -> Made:
    model = with_weights(library, model)
    optimizer = library.module.optim.AdamW(model.parameters(), lr=3e-4, **options)
    (x, y), mse_loss = map(library.tensor, data.pair(*shape)), library.module.nn.functional.mse_loss
    return model, optimizer, lambda: mse_loss(model(x), y), (x,)


def encoder(
    library: Any, options: dict[str, bool], batch: int, length: int, width: int, heads: int, hidden: int
) -> Made:
    model = library.module.nn.TransformerEncoderLayer(width, heads, hidden, dropout=0.0, batch_first=True)
    return _regression(library, options, model, batch, length, width)


def attention(library: Any, options: dict[str, bool], batch: int, length: int, width: int, heads: int) -> Made:
    return _regression(library, options, self_attention(library, width, heads), batch, length, width)


def mobilenet(library: Any, options: dict[str, bool], batch: int, channels: int, expansion: int, side: int) -> Made:
    """The inverted residual of MobileNetV2, and the least that makes a classifier of it."""
    nn, wide = library.module.nn, channels * expansion

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
                nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
                nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            return x + self.layers(x)

    model = nn.Sequential(Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
    sizes = (batch, channels, side, side)
    return _classifier(library, "SGD", {"lr": 0.01, "momentum": 0.9, **options}, model, *data.classes(*sizes))


def unet(library: Any, options: dict[str, bool], batch: int, channels: list[int], side: int) -> Made:
    rg, nn, F = library.module, library.module.nn, library.module.nn.functional

    def double(before: int, after: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(),
        )  # fmt: skip

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList(double(before, after) for before, after in pairwise([1, *channels]))
            back = list(pairwise(reversed(channels)))
            self.up = nn.ModuleList(nn.ConvTranspose2d(before, after, 2, stride=2) for before, after in back)
            self.joined = nn.ModuleList(double(2 * after, after) for _, after in back)
            self.head = nn.Conv2d(channels[0], 2, 1)

        def forward(self, x: Any) -> Any:
            passed = []
            for number, layer in enumerate(self.down):
                x = layer(F.max_pool2d(x, 2) if number else x)
                passed.append(x)
            passed.pop()
            for up, joined in zip(self.up, self.joined, strict=True):
                x = joined(rg.cat([passed.pop(), up(x)], 1))
            return self.head(x)

    return _classifier(library, "Adam", {"lr": 1e-3, **options}, UNet(), *data.picture(batch, side))


NETWORKS: dict[str, Callable[..., Made]] = {
    "lenet": lenet,
    "resnet": resnet,
    "rnn": rnn,
    "gpt": gpt,
    "mobilenet": mobilenet,
    "unet": unet,
    "encoder": encoder,
    "attention": attention,
}
