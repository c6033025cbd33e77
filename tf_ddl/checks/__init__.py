"""What the ranks compare, so that a mistake is named instead of training on.

exchange     numbers that every rank tells the others
agreement    texts that every rank tells the others; settings
description  what a rank is about to train, and what differs between such descriptions
model        describes a model: `strategy.check`, and before the first step
replicas     variables that have drifted apart
reductions   all-reduces beside simpler ones, NaN and infinity
"""
