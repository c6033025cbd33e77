"""All that touches TensorFlow's inside or the ops library.

    private_api     the one module that imports TensorFlow's private modules
    ops_build       whether the compiled ops fit the installed TensorFlow
    ops             the ops: groups, names, gradients
    failures        errors that are ours and TensorFlow's, also those of a graph
    adapters        functions of TensorFlow that are wrapped in a job of several ranks
    gradient_order  gradients are computed, and so submitted, before backprop goes on
    program_order   collectives and checks one after another, as they were traced
    rows            rows of dense, ragged and sparse tensors
    local_values    this rank's own value of a variable
    callback_scope  what runs in a callback's hook of Keras

When a new TensorFlow moves something, it is mended here.
"""
