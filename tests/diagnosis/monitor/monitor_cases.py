"""A small world in which it is known what is learnt: views share a signal and differ by strong noise."""

import torch
from torch import nn

SIGNAL, NOISE, IMAGES = 8, 24, 96


def views(*, images=IMAGES, number=2, seed=0):
    """[views n 32]: 8 numbers of the image, and 24 of the view, three times as wide."""
    drawn = torch.Generator().manual_seed(seed)
    signal = torch.randn(images, SIGNAL, generator=drawn).expand(number, -1, -1)
    return torch.cat((signal, 3 * torch.randn(number, images, NOISE, generator=drawn)), dim=2)


class Model(nn.Module):
    """Backbone, head and parts that must keep their modes."""

    def __init__(self, *, skill=0.0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.backbone = nn.Sequential(nn.Dropout(0.5), nn.Linear(SIGNAL + NOISE, SIGNAL))
            self.head = nn.Linear(SIGNAL, 4)
            self.norm = nn.BatchNorm1d(SIGNAL)
        self.train()
        self.norm.eval()
        self.learn(skill)

    def learn(self, skill):
        """0: as drawn; 1: sees nothing but the signal."""
        with torch.no_grad():
            seen = torch.cat((torch.eye(SIGNAL), torch.zeros(SIGNAL, NOISE)), dim=1)
            self.backbone[1].weight.mul_(1 - skill).add_(skill * seen)
        return self

    def collapse(self):
        with torch.no_grad():
            self.backbone[1].weight.zero_()
        return self

    def forward(self, images):
        h = self.backbone(images)
        return {"h": h, "logits": self.head(h)}


def plain(row):
    """A row without the time that it took."""
    return {key: value for key, value in row.items() if not key.endswith("seconds")}
