"""The Transformer of "Attention Is All You Need" (2017) on reversing sequences: nn.Transformer, masks, Noam's schedule."""

import math

import torch
from torch import nn

PAD, BOS, EOS = 0, 1, 2


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=50):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]


class Seq2Seq(nn.Module):
    def __init__(self, vocab=24, d_model=64, nhead=4, layers=2):
        super().__init__()
        self.d_model = d_model
        self.embed = nn.Embedding(vocab, d_model, padding_idx=PAD)
        self.position = PositionalEncoding(d_model)
        self.transformer = nn.Transformer(
            d_model, nhead, layers, layers, dim_feedforward=128, dropout=0.0, activation="gelu", batch_first=True
        )
        self.generator = nn.Linear(d_model, vocab)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)

    def encode_tokens(self, tokens):
        return self.position(self.embed(tokens) * math.sqrt(self.d_model))

    def forward(self, src, tgt):
        causal = self.transformer.generate_square_subsequent_mask(tgt.size(1))
        out = self.transformer(
            self.encode_tokens(src),
            self.encode_tokens(tgt),
            tgt_mask=causal,
            src_key_padding_mask=src == PAD,
            tgt_key_padding_mask=(tgt == PAD).to(causal.dtype).masked_fill(tgt == PAD, float("-inf")),
            memory_key_padding_mask=src == PAD,
            tgt_is_causal=True,
        )
        return self.generator(out)


def build():
    return Seq2Seq()


def pairs(rng, batch=12):
    """Sequences of different lengths, and the same reversed."""
    lengths = rng.integers(3, 11, batch)
    words = [torch.tensor(rng.integers(3, 24, n)) for n in lengths]
    src = nn.utils.rnn.pad_sequence(
        [torch.cat([w, torch.tensor([EOS])]) for w in words], batch_first=True, padding_value=PAD
    )
    tgt = nn.utils.rnn.pad_sequence(
        [torch.cat([torch.tensor([BOS]), w.flip(0), torch.tensor([EOS])]) for w in words],
        batch_first=True,
        padding_value=PAD,
    )
    return src, tgt


def train(model, rng, steps):
    """Losses of `steps` steps, and what the model says to the last batch when it decodes greedily."""
    criterion = nn.CrossEntropyLoss(ignore_index=PAD, label_smoothing=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
    warmup = 10

    def noam(step):
        return model.d_model**-0.5 * min((step + 1) ** -0.5, (step + 1) * warmup**-1.5)

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, noam)
    losses = []
    model.train()
    for _ in range(steps):
        src, tgt = pairs(rng)
        logits = model(src, tgt[:, :-1])
        loss = criterion(logits.reshape(-1, logits.shape[-1]), tgt[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        said = torch.full((len(src), 1), BOS)
        for _ in range(5):
            said = torch.cat([said, model(src, said)[:, -1].argmax(-1, keepdim=True)], dim=1)
    return losses, said.tolist()
