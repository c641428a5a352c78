"""Train a small convolutional network on handwritten digits, then use it.

python examples/digits.py                                   trains, and writes plots and a checkpoint to runs/digits/
python examples/digits.py --device mlx                      the same program on another device
python examples/digits.py --predict runs/digits/model.lucid reads test images with the trained network
python examples/digits.py --predict ... --image digit.npy   reads your own 8x8 image
"""

import argparse
import contextlib
import random
import sys
import time
from pathlib import Path

import lucid
import lucid.nn.functional as F
from lucid import nn
from lucid.datasets import load_digits

SHIFTS = [(1, 1), (1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]  # where the 8x8 window starts in a 10x10 image


def make_model():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(64, 128, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(128 * 2 * 2, 10),
    )


def batches(images, labels, batch_size):
    """Shuffled batches, each shifted by up to one pixel so that the network cannot learn exact positions."""
    count = len(images)
    padded = lucid.zeros(count, 1, 10, 10, device=images.device)
    padded[:, :, 1:9, 1:9] = images
    order = lucid.randperm(count, device=images.device)
    for start in range(0, count, batch_size):
        rows = order[start : start + batch_size]
        top, left = random.choice(SHIFTS)
        yield padded[rows][:, :, top : top + 8, left : left + 8], labels[rows]


def train_epoch(model, optimizer, images, labels, batch_size, progress):
    model.train()
    total = 0.0
    for x, y in batches(images, labels, batch_size):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        progress.advance()
    return total / len(images)


def evaluate(model, images, labels):
    """Loss, accuracy and the probability of each digit, with dropout off and nothing recorded."""
    model.eval()
    with lucid.no_grad():
        logits = model(images)
        loss = F.cross_entropy(logits, labels).item()
        accuracy = (logits.argmax(dim=1) == labels).float().mean().item()
        return loss, accuracy, logits.softmax(dim=1)


class Progress:
    """A bar on a terminal; one line per epoch where the output goes to a file."""

    def __init__(self, epochs, steps, stream=sys.stderr):
        self.epochs, self.steps, self.stream = epochs, steps, stream
        self.live = stream.isatty()
        self.epoch = self.step = 0
        self.note = ""

    def advance(self):
        self.step += 1
        self.draw()

    def end_epoch(self, note):
        self.epoch, self.step, self.note = self.epoch + 1, 0, note
        self.draw()
        if not self.live:
            print(f"epoch {self.epoch:2d}/{self.epochs}  {note}", file=self.stream, flush=True)
        elif self.epoch == self.epochs:
            self.stream.write("\n")

    def draw(self):
        if self.live:
            done = (self.epoch * self.steps + self.step) / (self.epochs * self.steps)
            bar = ("#" * round(20 * done)).ljust(20, ".")
            epoch = min(self.epoch + 1, self.epochs)
            self.stream.write(f"\r[{bar}] {done:4.0%}  epoch {epoch}/{self.epochs}  {self.note}\x1b[K")
            self.stream.flush()


def train(args):
    lucid.manual_seed(args.seed)
    random.seed(args.seed)
    # Matrices this small gain nothing from a second BLAS thread, and wait long for it when the other core is busy.
    with contextlib.suppress(ImportError):  # without threadpoolctl it is only slower
        lucid.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    plt = pyplot()  # before the training, so that a missing matplotlib is said at once
    train_x, train_y = (t.to(args.device) for t in load_digits(split="train"))
    test_x, test_y = (t.to(args.device) for t in load_digits(split="test"))
    model = make_model().to(args.device)
    optimizer = lucid.optim.Adam(model.parameters(), lr=2e-3)

    print(f"{len(train_x)} training and {len(test_x)} test images, device {args.device}")
    progress = Progress(args.epochs, -(-len(train_x) // args.batch_size))
    history, start = [], time.perf_counter()
    for epoch in range(args.epochs):
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 - epoch / args.epochs)
        train_loss = train_epoch(model, optimizer, train_x, train_y, args.batch_size, progress)
        test_loss, accuracy, probabilities = evaluate(model, test_x, test_y)
        history.append((train_loss, test_loss, accuracy))
        progress.end_epoch(f"loss {train_loss:.3f}  test accuracy {accuracy:.2%}")
    print(f"test accuracy {accuracy:.2%} after {args.epochs} epochs in {time.perf_counter() - start:.1f} s")

    checkpoint = args.out / "model.lucid"
    lucid.save({"model": model.state_dict(), "accuracy": accuracy}, checkpoint)
    plot_training(plt, history, args.out / "training.png")
    plot_predictions(plt, test_x, test_y, probabilities, args.out / "predictions.png")
    print(f"wrote {args.out / 'training.png'}     loss and accuracy, epoch by epoch")
    print(f"      {args.out / 'predictions.png'}  test images with what the network read, mistakes in red")
    print(f"      {checkpoint}      the trained network; use it with")
    print(f"\n  {sys.executable} {sys.argv[0]} --predict {checkpoint}")


def predict(args):
    checkpoint = lucid.load(args.predict)
    model = make_model()
    model.load_state_dict(checkpoint["model"])
    model.to(args.device)
    if args.image:
        images, labels = read_image(args.image), None
    else:
        images, labels = load_digits(split="test")
        rows = lucid.randperm(len(images))[: args.count]
        images, labels = images[rows], labels[rows]
    model.eval()
    with lucid.no_grad():
        probabilities = model(images.to(args.device)).softmax(dim=1).to("cpu")
    for i in range(len(images)):
        digit = probabilities[i].argmax().item()
        print(ascii_art(images[i, 0]))
        truth = "" if labels is None else f", labelled {labels[i].item()}"
        print(f"  read as {digit} with {probabilities[i, digit].item():.1%} confidence{truth}\n")
    if labels is not None:
        right = (probabilities.argmax(dim=1) == labels).sum().item()
        print(f"{right} of {len(images)} right (test accuracy when trained: {checkpoint['accuracy']:.2%})")


def read_image(path):
    """One 8x8 image from a .npy file with values 0..1, 0..16 (as in the data set) or 0..255, bright on dark."""
    import numpy as np

    try:
        pixels = np.load(path).astype(np.float32)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: not a .npy file of numbers: {error}") from None
    if pixels.shape != (8, 8) or not (np.isfinite(pixels) & (pixels >= 0)).all():
        raise SystemExit(f"{path}: expected an 8x8 array of finite numbers from 0 up, got shape {pixels.shape}")
    top = next((top for top in (1, 16, 255) if pixels.max() <= top), pixels.max())
    return lucid.tensor(pixels / np.float32(top)).reshape(1, 1, 8, 8)


def ascii_art(image):
    shades = " .:-=+*#%@"
    return "\n".join("  " + "".join(2 * shades[round(9 * value)] for value in row) for row in image.tolist())


def pyplot():
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("the plots need matplotlib: pip install 'lucid[viz]'") from None
    matplotlib.use("Agg")  # writes files, needs no display
    import matplotlib.pyplot as plt

    return plt


def plot_training(plt, history, path):
    epochs = range(1, len(history) + 1)
    train_loss, test_loss, accuracy = zip(*history, strict=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(epochs, train_loss, label="training")
    left.plot(epochs, test_loss, label="test")
    left.set(title="Loss", xlabel="epoch", yscale="log")
    left.legend()
    right.plot(epochs, [100 * a for a in accuracy], color="tab:green")
    right.set(title=f"Test accuracy: {accuracy[-1]:.2%}", xlabel="epoch", ylabel="%")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_predictions(plt, images, labels, probabilities, path, rows=5, columns=10):
    """A grid of test images: the wrong ones first, then those read with the least confidence."""
    images, labels, probabilities = images.to("cpu"), labels.to("cpu"), probabilities.to("cpu")
    read, truth, confidence = (t.tolist() for t in (probabilities.argmax(dim=1), labels, probabilities.amax(dim=1)))
    order = sorted(range(len(truth)), key=lambda i: (read[i] == truth[i], confidence[i]))
    figure, grid = plt.subplots(rows, columns, figsize=(columns, 1.35 * rows), layout="constrained")
    for axes, i in zip(grid.flat, order, strict=False):
        wrong = read[i] != truth[i]
        axes.imshow(images[i, 0].tolist(), cmap="gray_r")
        axes.set_title(f"{read[i]}, not {truth[i]}" if wrong else f"{read[i]}", color="red" if wrong else "black")
        axes.set(xticks=[], yticks=[])
        for edge in axes.spines.values():
            edge.set(color="red" if wrong else "lightgray", linewidth=2.5 if wrong else 0.8)
    wrong = sum(r != t for r, t in zip(read, truth, strict=True))
    figure.suptitle(f"{wrong} of {len(truth)} test images read wrong (red), then the least certain right ones")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, mlx, cuda or cuda:N (default: cpu)")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/digits"), help="folder for the results")
    parser.add_argument("--predict", type=Path, metavar="CHECKPOINT", help="load this and read images; no training")
    parser.add_argument("--image", type=Path, help="with --predict: a .npy file with one 8x8 image")
    parser.add_argument("--count", type=int, default=5, help="with --predict: how many test images (default: 5)")
    args = parser.parse_args()
    if min(args.epochs, args.batch_size, args.count) < 1:
        parser.error("--epochs, --batch-size and --count start at 1")
    if args.image and not args.predict:
        parser.error("--image needs --predict CHECKPOINT")
    if args.predict and not args.predict.exists():
        parser.error(f"{args.predict} does not exist; train first: python examples/digits.py")
    return args


if __name__ == "__main__":
    args = parse_args()
    predict(args) if args.predict else train(args)
