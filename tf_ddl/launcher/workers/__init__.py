"""Starts, watches and stops the worker processes of a job on this host.

Two front ends use it: `tf_ddl.run` (`ddlrun`) and `tf_ddl.launch`.

    environment   what each worker finds in its environment
    bootstrap     first code of a worker: ties its life to the launcher's, then becomes the script
    process       one worker: its process group, its output pipes, how it ended
    supervisor    the event loop over all workers
    lines         splits output into lines, progress bars included
    console       output of all ranks on one terminal, or in files
    failures      which rank failed first, and what to tell the user
    call          runs a pickled function in a worker, for `launch`

None of it loads TensorFlow.
"""
