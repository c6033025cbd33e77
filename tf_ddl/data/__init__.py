"""Whose rows: which part of a dataset is this rank's.

    sharding          each rank's part of each global batch
    synchronized_end  datasets that end after as many batches on every rank
    fingerprint       a few numbers by which ranks see that they were given the same data

All of it is `tf.data`; what Keras makes of arrays is in `_keras.data`.
"""
