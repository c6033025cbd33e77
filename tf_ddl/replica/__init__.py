"""One replica in this process: what happens between `strategy.run` and the engine.

    extended           the implementation of DDLStrategy that TensorFlow calls
    step               one call of `strategy.run`: its inputs, its rows, what it assigns
    collectives        all-reduce, all-gather and broadcast of nested structures
    variables          variables of a strategy's scope
    moving_averages    statistics of the data that a step updates
    seeds              what is drawn alike on all ranks, and what is not
    device             the GPU of the local rank, or the CPU
    foreign_arguments  what programs for other strategies pass

`tf_ddl.strategy` is what users see of it. It knows nothing of Keras but its step functions.
"""
