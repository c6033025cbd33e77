"""How processes get into a job, and how jobs are started.

    identity/  who am I: one module per launcher
    join       joins the job that this process was started for
    workers/   starts, watches and stops the worker processes of this host
    notebook   `tf_ddl.launch`: a function in several workers

`tf_ddl.run` is `ddlrun`. None of it loads TensorFlow.
"""
