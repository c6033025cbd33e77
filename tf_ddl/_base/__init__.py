"""What every other folder may use; it uses none of them.

setting       a field of `Options`: variable, unit, limits, meaning
scoped_value  a value of the thread that holds while a block runs
sizes         bytes as people write them
words         ranks and names in messages
"""
