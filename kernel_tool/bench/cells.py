"""What the benchmark has kernels run."""

from __future__ import annotations

# One training step's worth of everything that the libraries import only when first needed.
ADAM = """
import torch
layer = torch.nn.Linear(8, 1)
optimizer = torch.optim.Adam(layer.parameters())
for _ in range(5):
    optimizer.zero_grad()
    layer(torch.ones(4, 8)).square().mean().backward()
    optimizer.step()
"""
PLOT = """
import matplotlib.pyplot as plt
plt.plot([1, 2, 3])
plt.show()
"""
TRIVIAL = "1 + 1"
METRIC = "metric.txt"

# Some 20 cells that train a small network. Plots are written to files instead of shown, so that a
# plain script does the same work; the metric is written with all of its bits.
_CELLS = (
    "import io\nfrom pathlib import Path\n\nimport numpy as np",
    "import pandas as pd",
    "import matplotlib.pyplot as plt",
    "import torch\nfrom torch import nn",
    "EPOCHS = {epochs}\nBATCH = 64",
    "torch.manual_seed(0)\nrng = np.random.default_rng(0)",
    """time = np.linspace(0, 1, 256)
depth = rng.uniform(0.2, 1.0, 1024) * (rng.random(1024) < 0.5)
centre = rng.uniform(0.2, 0.8, 1024)
flux = rng.normal(0, 0.3, (1024, 256))
flux -= depth[:, None] * (np.abs(time - centre[:, None]) < 0.05)""",
    """table = pd.DataFrame({{"depth": depth, "centre": centre, "spread": flux.std(1)}})
table.head()""",
    "table.describe()",
    "x = torch.tensor(flux, dtype=torch.float32)[:, None]\ny = torch.tensor(depth > 0).float()",
    "train, test = slice(0, 768), slice(768, None)\nx[train].shape, x[test].shape",
    """fig, ax = plt.subplots()
ax.plot(time, flux[:3].T)
fig.savefig("curves.png")
plt.close(fig)""",
    """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(1, 16, 9, stride=2, padding=4), nn.ReLU(),
            nn.Conv1d(16, 32, 9, stride=2, padding=4), nn.ReLU(),
            nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(32, 1),
        )

    def forward(self, x):
        return self.body(x)[:, 0]""",
    "model = Net()\nsum(p.numel() for p in model.parameters())",
    "optimizer = torch.optim.Adam(model.parameters(), 3e-3)\nloss_of = nn.BCEWithLogitsLoss()",
    """def epoch():
    total = 0.0
    for rows in torch.randperm(768).split(BATCH):
        optimizer.zero_grad()
        loss = loss_of(model(x[train][rows]), y[train][rows])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    return total / 768""",
    """losses = []
for number in range(EPOCHS):
    losses.append(epoch())
    print(f"epoch {{number}}: loss {{losses[-1]:.4f}}")""",
    """fig, ax = plt.subplots()
ax.plot(losses)
fig.savefig("losses.png")
plt.close(fig)""",
    """model.eval()
with torch.no_grad():
    logits = model(x[test])
accuracy = ((logits > 0) == (y[test] > 0)).float().mean().item()
accuracy""",
    """metric = loss_of(logits, y[test]).item()
print("test loss", metric)
Path("metric.txt").write_text(metric.hex())""",
)


def notebook(epochs: int) -> list[str]:
    """The sources of its cells. The last writes the final metric to the file ``METRIC``."""
    return [cell.format(epochs=epochs) for cell in _CELLS]
