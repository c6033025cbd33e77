"""All that touches `tensorflow.python` or the ops library.

private_api     the one module that imports `tensorflow.python.*`
ops_build       whether the compiled ops fit the installed TensorFlow
ops             the ops: groups, names, gradients
gradient_order  gradients are computed, and so submitted, before backprop goes on
program_order   collectives and checks one after another, as they were traced
rows            rows of dense, ragged and sparse tensors
local_values    this rank's own value of a variable
callback_scope  what runs in a callback's hook of Keras
"""
