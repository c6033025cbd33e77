"""What Keras 3 needs in order to be right on ranks whose batches differ in size.

Keras has no hooks for these things, so a few of its functions are wrapped when the first
DDLStrategy is made (`registry`). Under any other strategy, and without one, they do what they did.

    registry        which adapters there are, their order, installing and undoing them
    under_strategy  whose strategy is ours

* losses: the gradient counts by the rank's share of the rows, also in steps of the user's own.
* optimizers: gradients are clipped after they are reduced; dynamic loss scaling skips a step on
  all ranks or on none; gradients are known by their variables' paths in messages.
* trainer: `predict` gathers all rows;
  `jit_compile=True` compiles what does not communicate.
* logs, train_on_batch: what steps of the user's own and `train_on_batch` report is of all ranks.
* callbacks: what one decides is decided for all ranks; what one does alone is an error; rank 0
  shows the progress bar and writes the logs.
* data: without a seed of the user's, ranks shuffle alike, and differently in each epoch.
* checks: a model from outside of the scope, or ranks whose models or optimizers differ, are named
  before anything is trained.
* scope: layers of the scope are built in it, wherever they are first called.
* normalization: `synchronized=True` means the statistics of the global batch.
* randomness: what is drawn within a step is drawn anew on each rank.
* saving: a saved file appears at once and whole, since every rank may be writing it.
"""
