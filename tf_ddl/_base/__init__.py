"""What every other folder may use.

    adapter       functions of other libraries, replaced by ones of ours
    scoped_value  a value of the thread that holds while a block runs
    setting       a field of `Options`: variable, unit, limits, meaning
    sizes         bytes as people write them
    words         ranks and names in messages

It uses none of the others, and neither NumPy nor TensorFlow.
"""
