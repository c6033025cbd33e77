"""`python -m tf_ddl.bench`: all-reduce and training, ours and the peers', measured side by side.

Every contender runs in worker processes of its own, and all of them take turns in one run, so that
the machine's moods meet all alike. docs/benchmarks.md says what is measured and how.

    __main__     the command line
    workloads    what is reduced: sizes, the gradients of ResNet-50, models
    contenders   who is measured, and how its processes are started
    team         the processes of one contender, seen from the parent
    wire         messages between parent and workers
    sampling     takes turns and keeps the samples
    machine      what it is, and who else is using it
    result_tables, chart    tables, JSON, picture

    worker       a worker process; started by file name, may run in an interpreter without tf_ddl
    buffers      values whose sums are exact, and their check
    floor, ours, peers, training    what a worker measures

The last group is imported by workers and uses relative imports only, except `ours`.
"""
