"""What the ranks compare, so that a mistake is named instead of training on.

    exchange     what every rank tells the others between steps
    description  what a rank is about to train, and what differs between such descriptions
    model        describes a model: `strategy.check`, and before the first step
    replicas     variables that have drifted apart
    reductions   all-reduces beside simpler ones, NaN and infinity

docs/checks.md says which is made when, and what it costs.
"""
