#!/usr/bin/env python3
"""Adult, shared bottom (specs/adult_shared_bottom.mtl), by pandas and PyTorch, as a careful user writes it: one embedding for all columns, batches
gathered from tensors in memory. One line of JSON: rows a second of the training loop, AUC of both tasks on the test rows.

    adult_torch.py TRAIN TEST THREADS default|fused          PyTorch's Adam as it comes, or its fused one
"""
import json
import sys
import time

import numpy as np
import pandas as pd
import torch
from torch import nn

COLUMNS = ["age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race", "sex",
           "capital-gain", "capital-loss", "hours-per-week", "native-country", "income"]
CATEGORIES = ["age", "workclass", "education", "occupation", "relationship", "race", "sex", "native-country"]
NUMBERS = ["fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"]
BATCH, EPOCHS, WIDTH = 256, 5, 16


def read(path):
    return pd.read_csv(path, names=COLUMNS, skipinitialspace=True, dtype={c: str for c in CATEGORIES}, keep_default_na=False)


def prepare(train, rows):
    """What is learned comes from the training rows: ids (0: unknown), numbers by minimum and maximum."""
    ids, offset = [], 0
    for c in CATEGORIES:
        values = pd.Index(np.sort(train[c].unique()))
        ids.append(values.get_indexer(rows[c]) + 1 + offset)
        offset += len(values) + 1
    low, high = train[NUMBERS].min(), train[NUMBERS].max()
    x = ((rows[NUMBERS] - low) / (high - low)).to_numpy(np.float32)
    y = np.stack([rows["income"].str.startswith(">50K"), rows["marital-status"] == "Never-married"], axis=1).astype(np.float32)
    return torch.from_numpy(np.stack(ids, axis=1)), torch.from_numpy(x), torch.from_numpy(y), offset


def layers(*widths):
    return [part for n, m in zip(widths, widths[1:]) for part in (nn.Linear(n, m), nn.ReLU())]


class Model(nn.Module):
    def __init__(self, n_ids):
        super().__init__()
        self.table = nn.Embedding(n_ids, WIDTH)
        nn.init.normal_(self.table.weight, std=0.05)
        self.trunk = nn.Sequential(*layers(len(CATEGORIES) * WIDTH + len(NUMBERS), 128, 128))
        self.towers = nn.ModuleList(nn.Sequential(*layers(128, 64, 32), nn.Linear(32, 1)) for _ in range(2))

    def forward(self, ids, x):
        h = self.trunk(torch.cat([self.table(ids).flatten(1), x], dim=1))
        return torch.cat([tower(h) for tower in self.towers], dim=1)


def auc(y, p):
    rank, positive = pd.Series(p).rank().to_numpy(), y > 0
    n, m = positive.sum(), (~positive).sum()
    return (rank[positive].sum() - n * (n + 1) / 2) / (n * m)


def main(train_path, test_path, threads, adam):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    train, test = read(train_path), read(test_path)
    ids, x, y, n_ids = prepare(train, train)
    model = Model(n_ids)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=adam == "fused" or None)
    loss_of = nn.functional.binary_cross_entropy_with_logits
    start = time.perf_counter()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(y)).split(BATCH):
            z, target = model(ids[batch], x[batch]), y[batch]
            loss = loss_of(z[:, 0], target[:, 0]) + loss_of(z[:, 1], target[:, 1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    seconds = time.perf_counter() - start
    ids, x, y, _ = prepare(train, test)
    with torch.no_grad():
        p = model(ids, x).numpy()
    print(json.dumps({"rows_per_s": EPOCHS * len(train) / seconds, "auc": [auc(y[:, k].numpy(), p[:, k]) for k in range(2)]}))


if __name__ == "__main__":
    if len(sys.argv) != 5 or sys.argv[4] not in ("default", "fused"):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
